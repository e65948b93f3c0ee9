"""One set of checks for cameras of every source: the same impossible camera is refused wherever it comes from."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from mickey_hloc import Photo
from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import read_cameras
from mickey_hloc.io.intrinsics import Intrinsics

GOOD = (500.0, 510.0, 320.0, 240.0, 640, 480)  # fx fy cx cy w h
IMPOSSIBLE = {
    "zero focal length": ((0.0, 510, 320, 240, 640, 480), "must be positive"),
    "negative focal length": ((500, -510.0, 320, 240, 640, 480), "must be positive"),
    "huge focal length": ((1e308, 1e308, 320, 240, 640, 480), "is impossible for an image of 640x480"),
    "tiny focal length": ((1e-320, 510, 320, 240, 640, 480), "is impossible for an image of 640x480"),
    "normalised focal length": ((0.8, 1.1, 0.5, 0.5, 640, 480), "is impossible for an image of 640x480"),
    "principal point on the left": ((500, 510, -20.0, 240, 640, 480), "principal point .* is outside the image"),
    "principal point of a larger image": ((500, 510, 648.0, 484, 640, 480), "principal point .* is outside the image"),
}
WRITTEN = {  # what text alone can say
    "infinite focal length": ("inf 510 320 240 640 480", "finite"),
    "no number": ("500 510 nan 240 640 480", "finite"),
    "half a pixel": ("500 510 320 240 640.5 480", "whole pixels"),
    "negative size": ("500 510 320 240 -640 480", "positive"),
    "no size": ("500 510 320 240 640 0", "positive"),
    "endless size": ("500 510 320 240 1e300 480", "impossible|no image is"),
}


def intrinsics_file(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def query_line(name: str, numbers: str) -> str:
    fx, fy, cx, cy, w, h = numbers.split()
    return f"{name} PINHOLE {w} {h} {fx} {fy} {float(cx) + 0.5!r} {float(cy) + 0.5!r}"


def write_model(folder: Path, cameras: list[tuple[float, ...]], binary: bool) -> Path:
    """A model whose image i.jpg has camera i; one image twice where two cameras are given for it."""
    folder.mkdir(parents=True)
    lines = [
        f"{i} PINHOLE {w} {h} {fx!r} {fy!r} {cx + 0.5!r} {cy + 0.5!r}\n"
        for i, (fx, fy, cx, cy, w, h) in enumerate(cameras, start=1)
    ]
    (folder / "cameras.txt").write_text("".join(lines))
    images = [f"{i} 1 0 0 0 0 0 0 {i} {i}.jpg\n\n" for i in range(1, len(cameras) + 1)]
    (folder / "images.txt").write_text("".join(images))
    (folder / "points3D.txt").write_text("")
    if binary:
        pycolmap.Reconstruction(str(folder)).write_binary(str(folder))
        for name in ("cameras", "images", "points3D"):
            (folder / f"{name}.txt").unlink()
    return folder


def take_camera(source: str, values: tuple[float, ...], folder: Path) -> None:
    numbers = " ".join(repr(value) for value in values)
    if source == "intrinsics":
        read_cameras(intrinsics_file(folder / "K.txt", f"a.jpg {numbers}"))
    elif source == "queries":
        read_cameras(intrinsics_file(folder / "q.txt", query_line("a.jpg", numbers)))
    elif source == "photo":
        fx, fy, cx, cy, w, h = values
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        Photo("a.jpg", np.zeros((int(h), int(w), 3), np.uint8), K)
    else:
        read_cameras(write_model(folder / "m", [values], source == "binary model"))


@pytest.mark.parametrize("source", ["intrinsics", "queries", "text model", "binary model", "photo"])
@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_an_impossible_camera_is_refused_from_every_source(what: str, source: str, tmp_path: Path) -> None:
    values, message = IMPOSSIBLE[what]
    if source == "photo" and what == "zero focal length":
        message = "must be an invertible"
    with pytest.raises(InputError, match=message):
        take_camera(source, values, tmp_path)


@pytest.mark.parametrize("source", ["intrinsics", "queries"])
@pytest.mark.parametrize("what", WRITTEN)
def test_what_is_no_camera_is_refused_from_every_text(what: str, source: str, tmp_path: Path) -> None:
    numbers, message = WRITTEN[what]
    line = f"a.jpg {numbers}" if source == "intrinsics" else query_line("a.jpg", numbers)
    with pytest.raises(InputError, match=rf"list\.txt, line 1: .*({message}|not a finite number)"):
        read_cameras(intrinsics_file(tmp_path / "list.txt", line))


@pytest.mark.parametrize("binary", [False, True])
def test_an_impossible_camera_of_a_model_costs_only_its_images(binary: bool, tmp_path: Path) -> None:
    cameras = read_cameras(write_model(tmp_path / "m", [GOOD, (-1.0, *GOOD[1:])], binary))
    np.testing.assert_array_equal(cameras.get("1.jpg").intrinsics.K, [[500, 0, 320], [0, 510, 240], [0, 0, 1]])
    with pytest.raises(InputError, match="m, camera 2: focal lengths"):
        cameras.get("2.jpg")


@pytest.mark.parametrize("focal", [0.0, -5.0, 1e308, 1e-320, float("nan"), float("inf")])
def test_an_impossible_focal_length_is_refused(focal: float) -> None:
    with pytest.raises(InputError, match="focal length"):
        Intrinsics.from_focal(focal, 640, 480)


@pytest.mark.parametrize("other", ["501 510 320 240 640 480", "500 510 320 240 641 480"])
def test_an_image_with_two_cameras_is_refused(other: str, tmp_path: Path) -> None:
    same, good = "500 510 320 240 640 480", "a.jpg 500 510 320 240 640 480"
    assert len(read_cameras(intrinsics_file(tmp_path / "K.txt", good, good)).cameras) == 1
    with pytest.raises(InputError, match=r"K\.txt, line 2: a\.jpg is there twice"):
        read_cameras(intrinsics_file(tmp_path / "K.txt", good, f"a.jpg {other}"))
    queries = [query_line("a.jpg", numbers) for numbers in (same, other)]
    with pytest.raises(InputError, match=r"q\.txt, line 2: a\.jpg is there twice"):
        read_cameras(intrinsics_file(tmp_path / "q.txt", *queries))
    lens = "a.jpg SIMPLE_RADIAL 640 480 500 320 240 "
    with pytest.raises(InputError, match="twice"):
        read_cameras(intrinsics_file(tmp_path / "q.txt", lens + "0.1", lens + "0.2"))


def test_a_model_and_its_queries_are_joined(tmp_path: Path) -> None:
    model = write_model(tmp_path / "sparse" / "0", [GOOD], binary=True)
    queries = intrinsics_file(tmp_path / "q.txt", query_line("night.jpg", "400 400 319.5 239.5 640 480"))
    cameras = read_cameras([model, queries])
    assert cameras.get("1.jpg").intrinsics.K[0, 0] == 500
    assert cameras.get("night.jpg").intrinsics.K[0, 0] == 400
    assert read_cameras([tmp_path]).get("1.jpg").intrinsics.K[0, 0] == 500  # in sparse/0
    again = intrinsics_file(tmp_path / "again.txt", "1.jpg 9 510 320 240 640 480")
    with pytest.raises(InputError, match=r"1\.jpg is there twice"):
        read_cameras([model, again])


def test_several_models_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("0", "1"):
        write_model(tmp_path / "sparse" / name, [GOOD], binary=True)
    with pytest.raises(InputError, match=r"sparse has several COLMAP models \(0, 1\); name one"):
        read_cameras(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg INVALID 640 480", "Unknown camera model 'INVALID'"),
        ("a.jpg EQUIRECTANGULAR 640 480 640 480", "Unknown camera model 'EQUIRECTANGULAR'"),
        ("a.jpg PINHOL 640 480 500 510 320 240", "did you mean 'PINHOLE'"),
        ("a.jpg pinhole 640 480 500 510", "model PINHOLE does not have 2 parameters"),
        ("a.jpg PINHOLE 640 480", "expected 'name MODEL"),
    ],
)
def test_models_that_do_not_exist_are_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_cameras(intrinsics_file(tmp_path / "q.txt", line))


def test_lower_case_is_the_same_model(tmp_path: Path) -> None:
    cameras = read_cameras(intrinsics_file(tmp_path / "q.txt", "a.jpg simple_pinhole 640 480 500 320 240"))
    np.testing.assert_array_equal(cameras.get("a.jpg").intrinsics.K, [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        ("2 PINHOLE 640 480 500 510 320 240", r"images\.txt, line 1: the camera 1 of image 'a\.jpg' is not in"),
        ("1 pinhol 640 480 500 510 320 240", r"cameras\.txt, line 1: expected 'id MODEL"),
        ("1 PINHOLE 640 480 500 510", "cannot be read"),
        ("1 EQUIRECTANGULAR 640 480 640 480", "model EQUIRECTANGULAR"),
        ("1 PINHOLE -640 480 500 510 320 240", "impossible"),
    ],
)
def test_damaged_text_models_are_named(cameras: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text(cameras + "\n")
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.jpg\n\n")
    (tmp_path / "points3D.txt").write_text("")
    with pytest.raises(InputError, match=message):
        read_cameras(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_text_model_with_a_byte_order_mark_is_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 500 510 320 240\r\n", encoding=encoding)
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.jpg\r\n\r\n", encoding=encoding)
    (tmp_path / "points3D.txt").write_text("")
    assert read_cameras(tmp_path).get("a.jpg").intrinsics.K[0, 2] == 319.5

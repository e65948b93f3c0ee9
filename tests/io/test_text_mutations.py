"""Every reader of text, on thousands of damaged files: the right values or one sentence, never anything else.

MICKEY_LONG_TESTS=1 runs 5,000 mutations of each; a few hundred bytes of a good file are changed, cut, doubled or mixed
with what people's files have.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.datasets.scannet import read_posed_pairs
from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import Cameras, read_cameras
from mickey_hloc.io.image_batches import list_images
from mickey_hloc.io.intrinsics import MAX_FOCAL, read_intrinsics
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.poses import read_absolute_poses, read_poses, write_poses
from mickey_hloc.io.reference_poses import read_pose_matrix, read_reference_poses

LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
EXAMPLES = 5000 if LONG else 60

INTRINSICS = "# a\na.jpg 500 510 319.5 239.5 640 480\nb c.jpg 5e2 510 320 240 640 480\n"
QUERIES = "a.jpg PINHOLE 640 480 500 510 320 240\nb.jpg SIMPLE_RADIAL 640 480 500 320 240 0.1\n"
PAIRS = "# pairs\na.jpg b.jpg\n\nb.jpg c.jpg\n"
POSES = (
    "# name0 name1 qw qx qy qz tx ty tz score confidence\na.jpg b.jpg 1 0 0 0 0.1 0.2 0.3 10 0.5\n"
    "# failed b.jpg c.jpg: dark [estimate 1 0 0 0 0 0 1 3 0.1]\n"
)
ABSOLUTE = "a.jpg 1 0 0 0 0.1 0.2 0.3\nb.jpg 0 0 0 0 0 0 0\n"
MATRIX = "1 0 0 0.5\n0 1 0 0\n0 0 1 2\n0 0 0 1\n"
SCANNET = "a.jpg b.jpg 0 1 " + "1170 0 647.5 0 1170 483.5 0 0 1 " * 2 + "1 0 0 0.1 0 1 0 0 0 0 1 0 0 0 0 1\n"
NAMES = "a.jpg 1 2\nfolder/b.jpg\n"
WORDS = [
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\r\n",
        b"\r",
        b"\0",
        b"#",
        b" ",
        b"\t",
        b"\n",
        b"nan",
        b"inf",
        b"-1",
        b"0",
        b"1e308",
    ),
    *(b"1e-320", b"\xe9", b"\xc2\x85", b"\xe2\x80\xa8", b"\xc2\xa0", b": ", b"../", b"/", b"INVALID", b"pinhole"),
    *(b"EQUIRECTANGULAR", b"FOV", b"OPENCV", b"[estimate", b"]", b"0x10", b"1_000", b"\xd9\xa1", b"640.5", b"1e308"),
]


@st.composite
def damaged(draw: Any, good: str) -> bytes:
    """A good file with one to four changes."""
    data = bytearray(good.encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(["word", "bytes", "cut", "double", "end"]))
        if kind == "word":
            data[at:to] = draw(st.sampled_from(WORDS))
        elif kind == "bytes":
            data[at:to] = draw(st.binary(max_size=6))
        elif kind == "cut":
            del data[at:to]
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(0, 60))]
        else:
            del data[at:]
    return bytes(data)


def good_cameras(cameras: Cameras) -> None:
    for name, camera in cameras.cameras.items():
        assert name
        K, size = camera.intrinsics.K, (camera.intrinsics.width, camera.intrinsics.height)
        assert np.isfinite(K).all()
        assert 0 < K[0, 0] <= MAX_FOCAL * max(size)
        assert 0 < K[1, 1] <= MAX_FOCAL * max(size)
        assert (K[:2, 2] >= -0.5).all()
        assert (K[:2, 2] <= np.array(size) - 0.5).all()
        assert np.isfinite(np.linalg.inv(K)).all()


def good_table(table: dict[str, Any]) -> None:
    good_cameras(Cameras({name: type("C", (), {"intrinsics": value}) for name, value in table.items()}, "x"))


def good_pairs(pairs: list[tuple[str, str]]) -> None:
    assert pairs
    for pair in pairs:
        for name in pair:
            assert name.split() == [name]
            name.encode()


def good_poses(poses: dict[tuple[str, str], Any], path: Path) -> None:
    for pose in poses.values():
        assert pose.success is bool(np.isfinite(pose.t).all() and np.isfinite(pose.R).all())
        assert pose.success or pose.reason is not None
    names = [name for pair in poses for name in pair]
    if all(name.isprintable() and not name.startswith("#") for name in names):
        again = read_poses(write_poses(path.with_name("again.txt"), poses))
        assert list(again) == list(poses)


def good_absolute(poses: dict[str, Any], _: Path | None = None) -> None:
    for pose in poses.values():
        assert pose is None or np.isfinite(pose.matrix()).all()


READERS: dict[str, tuple[str, Callable[[Path], Any], Callable[..., None]]] = {
    "intrinsics": (INTRINSICS, read_intrinsics, lambda found, _: good_table(found)),
    "cameras": (INTRINSICS, read_cameras, lambda found, _: good_cameras(found)),
    "queries": (QUERIES, read_cameras, lambda found, _: good_cameras(found)),
    "pairs": (PAIRS, read_pairs, lambda found, _: good_pairs(found)),
    "poses": (POSES, read_poses, good_poses),
    "absolute poses": (ABSOLUTE, read_absolute_poses, good_absolute),
    "references": (ABSOLUTE, read_reference_poses, good_absolute),
    "matrix": (MATRIX, read_pose_matrix, lambda found, _: good_absolute({"": found})),
    "scannet": (SCANNET, read_posed_pairs, lambda found, _: good_pairs([(p.name0, p.name1) for p in found])),
    "names": (NAMES, lambda path: list_images(path.parent, (), path), lambda found, _: good_names(found)),
}


def good_names(names: list[str]) -> None:
    assert names
    assert all(name and not name.startswith("/") for name in names)


@pytest.mark.parametrize("reader", READERS)
def test_a_good_file_is_read(reader: str, tmp_path: Path) -> None:
    text, read, check = READERS[reader]
    (tmp_path / "folder").mkdir()
    for name in ("a.jpg", "folder/b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "good.txt").write_text(text)
    check(read(tmp_path / "good.txt"), tmp_path / "good.txt")


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_read_right_or_refused_in_one_sentence(
    reader: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text, read, check = READERS[reader]
    folder = tmp_path_factory.mktemp(reader.replace(" ", "_"))
    (folder / "folder").mkdir()
    for name in ("a.jpg", "folder/b.jpg"):
        (folder / name).touch()
    path = folder / "damaged.txt"

    @settings(max_examples=EXAMPLES, database=None)
    @given(damaged(text))
    def run(content: bytes) -> None:
        path.write_bytes(content)
        try:
            found, told = read(path), "read"
        except InputError as error:
            found, told = None, str(error)
        if found is not None:
            check(found, path)
        assert told
        assert "\n" not in told

    run()

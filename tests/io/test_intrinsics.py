"""Intrinsics files: what is read, what is refused, and on which line."""

from pathlib import Path

import numpy as np
import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.io.intrinsics import Intrinsics, find_intrinsics, read_intrinsics

GOOD = "# name fx fy cx cy w h\n\nseq0/a.jpg 525.0 526 320 240 640 480\nwith space.jpg 5e2 500 270.5 360 540 720\n"


def write(folder: Path, text: str) -> Path:
    (folder / "intrinsics.txt").write_text(text)
    return folder / "intrinsics.txt"


def test_lines_are_read(tmp_path) -> None:
    table = read_intrinsics(write(tmp_path, GOOD))
    assert list(table) == ["seq0/a.jpg", "with space.jpg"]
    np.testing.assert_array_equal(table["seq0/a.jpg"].K, [[525, 0, 320], [0, 526, 240], [0, 0, 1]])
    assert (table["with space.jpg"].width, table["with space.jpg"].height) == (540, 720)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg 525 525 320 240 640", "expected 'name fx fy cx cy w h'"),
        ("525 525 320 240 640 480", "expected 'name fx fy cx cy w h'"),
        ("a.jpg f 525 320 240 640 480", "expected 'name fx fy cx cy w h'"),
        ("a.jpg nan 525 320 240 640 480", "finite"),
        ("a.jpg -525 525 320 240 640 480", "positive"),
        ("a.jpg 525 525 320 240 640.5 480", "whole pixels"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=f"intrinsics.txt, line 3: .*{message}"):
        read_intrinsics(write(tmp_path, f"# comment\nok.jpg 525 525 320 240 640 480\n{line}\n"))


def test_unusable_files(tmp_path) -> None:
    with pytest.raises(InputError, match="has no intrinsics"):
        read_intrinsics(write(tmp_path, "# only a comment\n"))
    with pytest.raises(InputError, match=r"absent\.txt cannot be read"):
        read_intrinsics(tmp_path / "absent.txt")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\x00\x80")
    with pytest.raises(InputError, match=r"binary\.txt is not a readable intrinsics file"):
        read_intrinsics(tmp_path / "binary.txt")
    with pytest.raises(InputError, match=r"line 2: a\.jpg is there twice"):
        read_intrinsics(write(tmp_path, "a.jpg 1 1 1 1 2 2\na.jpg 2 1 1 1 2 2\n"))


def test_an_image_finds_its_line(tmp_path) -> None:
    text = "seq0/a.jpg 1 1 1 1 2 2\nseq1/a.jpg 2 2 1 1 2 2\nb.jpg 3 3 1 1 2 2\n"
    source = write(tmp_path, text)
    table = read_intrinsics(source)
    assert find_intrinsics(table, tmp_path / "seq1/a.jpg", source).K[0, 0] == 2
    assert find_intrinsics(table, Path("/elsewhere/seq0/a.jpg"), source).K[0, 0] == 1
    assert find_intrinsics(table, Path("deep/down/b.jpg"), source).K[0, 0] == 3
    for name in ("a.jpg", "c.jpg", "xb.jpg"):
        with pytest.raises(InputError, match=f"{name} is not in .*add a line '{name} fx fy cx cy w h'"):
            find_intrinsics(table, Path("/elsewhere") / name, source)


def test_another_resolution_is_refused() -> None:
    camera = Intrinsics.from_focal(500, 640, 480)
    camera.check_size(640, 480, Path("a.jpg"), "K.txt")
    with pytest.raises(InputError, match=r"a\.jpg is 1280x960 px but its intrinsics in K\.txt are for 640x480"):
        camera.check_size(1280, 960, Path("a.jpg"), "K.txt")


def test_a_focal_length_puts_the_principal_point_in_the_middle() -> None:
    np.testing.assert_array_equal(Intrinsics.from_focal(500, 641, 480).K, [[500, 0, 320], [0, 500, 239.5], [0, 0, 1]])
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="positive number of pixels"):
            Intrinsics.from_focal(bad, 640, 480)

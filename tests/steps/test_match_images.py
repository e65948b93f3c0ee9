"""Matching images by a pair model: its images are checked as those of every other step are."""

from pathlib import Path

import h5py
import pytest
from support.hlocs import write_texture
from support.own_parts import CornerPairs

from mickey_hloc import match_images
from mickey_hloc.errors import InputError

PAIR = ("a.png", "sub/b.png")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate(PAIR):
        write_texture(tmp_path / "images" / name, 80, 60, seed=seed)
    return tmp_path / "images"


def test_an_image_that_has_changed_is_noticed(images: Path, tmp_path: Path) -> None:
    path = match_images.main(CornerPairs(), [PAIR], images, tmp_path / "m.h5", progress=False)
    before = path.read_bytes()
    match_images.main(CornerPairs(), [PAIR[::-1]], images, path, progress=False)
    assert path.read_bytes() == before
    write_texture(images / PAIR[1], 80, 60, seed=9)
    with pytest.raises(InputError, match=r"m\.h5 was made from another image 'sub/b\.png'"):
        match_images.main(CornerPairs(), [PAIR], images, path, progress=False)
    match_images.main(CornerPairs(), [PAIR], images, path, overwrite=True, progress=False)


def test_names_that_lead_out_or_clash_are_refused(images: Path, tmp_path: Path) -> None:
    for name in ("../images/a.png", str(images / "a.png")):
        with pytest.raises(InputError, match="leads out of"):
            match_images.main(CornerPairs(), [(name, PAIR[1])], images, tmp_path / "m.h5", progress=False)
    write_texture(images / "sub-b.png", 80, 60, seed=5)
    pairs = [PAIR, ("a.png", "sub-b.png")]
    with pytest.raises(InputError, match=r"cannot tell 'sub/b\.png' from 'sub-b\.png'"):
        match_images.main(CornerPairs(), pairs, images, tmp_path / "m.h5", progress=False)


def test_a_missing_image_costs_only_its_pair(images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = [PAIR, ("a.png", "absent.png")]
    path = match_images.main(CornerPairs(), pairs, images, tmp_path / "m.h5", progress=False)
    assert "1 pairs are not matched" in caplog.text
    with h5py.File(path) as file:
        assert list(file) == ["a.png"]
        assert list(file["a.png"]) == ["sub-b.png"]

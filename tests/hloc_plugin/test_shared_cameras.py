"""One camera for images of several sizes is refused before the long work: COLMAP would leave images out."""

from pathlib import Path
from types import ModuleType

import pycolmap
import pytest
from support.hlocs import write_texture

from mickey_hloc import cli
from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin.steps import check_shared_cameras

SIZES = {"a/0.jpg": (60, 40), "a/1.jpg": (60, 40), "b/0.jpg": (90, 60)}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for seed, (name, size) in enumerate(SIZES.items()):
        write_texture(tmp_path / name, *size, seed=seed)
    return tmp_path


def refused(images: Path, mode: str, has_params: bool = False, names: tuple[str, ...] = tuple(SIZES)) -> bool:
    try:
        check_shared_cameras(images, names, mode, has_params)
    except InputError:
        return True
    return False


def test_what_colmap_takes_is_taken_and_what_it_leaves_out_is_refused(images: Path, tmp_path: Path) -> None:
    write_texture(images / "b" / "1.jpg", 60, 40, seed=9)
    choices = [tuple(SIZES), ("a/0.jpg", "a/1.jpg"), (*SIZES, "b/1.jpg")]
    for mode in ("AUTO", "PER_FOLDER", "PER_IMAGE", "SINGLE"):
        for i, names in enumerate(choices):
            database = tmp_path / f"{mode}{i}.db"
            pycolmap.Database.open(database).close()
            pycolmap.import_images(database, images, pycolmap.CameraMode.__members__[mode], image_names=list(names))
            with pycolmap.Database.open(database) as file:
                taken = {image.name for image in file.read_all_images()}
            try:
                check_shared_cameras(images, names, mode)
            except InputError:
                assert taken < set(names), (mode, names)
            else:
                assert taken == set(names), (mode, names)


def test_given_parameters_are_those_of_one_size(images: Path) -> None:
    assert not refused(images, "AUTO")
    assert not refused(images, "PER_FOLDER")
    assert refused(images, "SINGLE")
    for mode in ("AUTO", "PER_FOLDER", "PER_IMAGE"):
        assert refused(images, mode, has_params=True)
    assert not refused(images, "SINGLE", True, ("a/0.jpg", "a/1.jpg"))


def test_sfm_says_so_before_the_long_work(
    upstream: ModuleType, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["sfm", str(images), "--output", str(tmp_path / "out"), "--feature", "sift", "--matcher", "nn-ratio"]
    assert cli.main([*run, "--camera-mode", "SINGLE"]) == 2
    assert "--camera-mode SINGLE is for one size, but 'a/0.jpg' is 60x40" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""Cameras that nobody measured: given, of EXIF data, or a guess that is said and halves the confidence, everywhere."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from support.posed_scenes import SIZE, make_scene, write_texture

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.io.intrinsics import guessed_focal_px
from mickey_hloc.io.photo_cameras import photo_camera, photo_cameras
from mickey_hloc.io.poses import read_poses


def write_photo(path: Path, focal_mm: int | None = None, size: tuple[int, int] = (60, 40)) -> Path:
    """A photo, with a focal length in terms of 35 mm film in its EXIF data."""
    write_texture(path, *size, seed=0)
    if focal_mm is not None:
        exif = PIL.Image.Exif()
        exif[0x8769] = {0xA405: focal_mm}
        with PIL.Image.open(path) as image:
            image.save(path, exif=exif)
    return path


def test_exif_comes_before_a_guess_and_a_number_before_both(tmp_path: Path) -> None:
    write_photo(tmp_path / "known.jpg", focal_mm=50)
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / name)
    names = ["known.jpg", "a.jpg", "b.jpg", "a.jpg"]
    cameras, notes = photo_cameras(tmp_path, names, "auto")
    assert cameras.get("known.jpg").intrinsics.K[0, 0] == pytest.approx(50 * np.hypot(60, 40) / np.hypot(36, 24))
    assert not cameras.get("known.jpg").is_guess
    assert cameras.get("a.jpg", (60, 40)).intrinsics.K[0, 0] == guessed_focal_px(60, 40)
    assert cameras.get("a.jpg").is_guess
    assert [note.partition(":")[0] for note in notes] == ["known.jpg", "2 photos, e.g. a.jpg"]
    assert "half the confidence" in notes[1]
    given, silent = photo_cameras(tmp_path, names, 77.0)
    assert {camera.intrinsics.K[1, 1] for camera in given.cameras.values()} == {77.0}
    assert not silent
    with pytest.raises(InputError, match="no focal length in its EXIF data"):
        photo_cameras(tmp_path, names, None)[0].get("a.jpg")


def test_a_photo_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg")
    (tmp_path / "damaged.jpg").write_bytes(b"no image")
    cameras, _ = photo_cameras(tmp_path, ["a.jpg", "damaged.jpg", "absent.jpg"], "auto")
    assert list(cameras.cameras) == ["a.jpg"]
    with pytest.raises(InputError, match=r"damaged\.jpg"):
        cameras.get("damaged.jpg")
    with pytest.raises(InputError, match="leads out of"):
        photo_cameras(tmp_path, ["../a.jpg"], "auto")
    with pytest.raises(InputError, match="No image folder"):
        photo_cameras(tmp_path / "absent", ["a.jpg"], "auto")


@pytest.mark.parametrize(("size", "side"), [((640, 480), "wide"), ((480, 640), "high")])
def test_millimetres_are_not_taken_for_pixels(tmp_path: Path, size: tuple[int, int], side: str) -> None:
    photo = write_photo(tmp_path / "a.jpg", size=size)
    widest = 320 / np.tan(np.radians(75))  # 150 degrees
    assert photo_camera(photo, size, widest + 0.1)[0].intrinsics.K[0, 0] == widest + 0.1
    for focal, degrees in ((28.0, 170), (widest - 0.1, 150)):
        with pytest.raises(InputError, match=rf"a view of {degrees} degrees of an image 640 pixels {side}; .* millim"):
            photo_camera(photo, size, focal)


def test_a_focal_length_that_fits_no_photo_ends_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make_scene(tmp_path, num_images=2)
    images = tmp_path / "images"
    photos = [str(write_photo(images / name, size=SIZE)) for name in scene.names]
    files = ["--features", str(scene.features), "--matches", str(scene.matches), "--images", str(images)]
    for command in (
        ["pose", *photos, "--weights", "small"],
        ["poses", str(scene.pairs), *files, "--output", str(tmp_path / "p.txt")],
        ["extract", str(images), "--feature", "sift", "--output", str(tmp_path / "f.h5")],
    ):
        assert main([*command, "--focal", str(SIZE[0] / 20)]) == 2
        assert "are they millimetres?" in capsys.readouterr().err
    write_photo(images / scene.names[0], size=(6, 4))  # one photo that it fits
    cameras, _ = photo_cameras(images, scene.names, SIZE[0] / 20)
    assert list(cameras.cameras) == scene.names[:1]


def test_poses_of_a_guess_have_half_the_confidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = make_scene(tmp_path, num_images=3)
    for name in scene.names:
        write_photo(tmp_path / "images" / name, size=SIZE)
    files = ["--features", str(scene.features), "--matches", str(scene.matches), "--images", str(tmp_path / "images")]
    command = ["poses", str(scene.pairs), *files, "--solver", "procrustes"]

    def poses(focal: str, name: str = "") -> dict:
        output = tmp_path / f"{name or focal}.txt"
        assert main([*command, "--focal", focal, "--output", str(output)]) == 0
        return read_poses(output)

    guess = guessed_focal_px(*SIZE)
    guessed, said = poses("auto"), capsys.readouterr().err
    known, silent = poses(repr(guess), "known"), capsys.readouterr().err
    assert f"3 photos, e.g. {scene.names[0]}: the focal length is not known; {guess:.1f} px is guessed" in said
    assert "guess" not in silent
    for pair, pose in known.items():
        np.testing.assert_array_equal(guessed[pair].t, pose.t)
        assert guessed[pair].confidence == pytest.approx(pose.confidence / 2, rel=1e-3)
    # A pose of a guess is not taken for one of a camera that is known, though the numbers are the same.
    output = ["--output", str(tmp_path / "auto.txt")]
    assert main([*command, "--focal", repr(guess), *output]) == 2
    assert "was made from other features, matches, depths or intrinsics" in capsys.readouterr().err


def test_other_steps_take_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photo(tmp_path / "images" / "a.jpg")
    extract = ["extract", str(tmp_path / "images"), "--feature", "sift", "--focal", "auto", "--output"]
    assert main([*extract, str(tmp_path / "f.h5")]) == 0
    assert "a.jpg: the focal length is not known" in capsys.readouterr().err
    scene = make_scene(tmp_path, num_images=2)
    files = ["--features", str(scene.features), "--matches", str(scene.matches)]
    poses = ["poses", str(scene.pairs), *files, "--output", str(tmp_path / "p.txt")]
    assert main([*poses, "--focal", "auto"]) == 2
    assert "--focal needs the photos" in capsys.readouterr().err
    for wrong in (["--focal", "wide"], [], ["--focal", "auto", "--intrinsics", "x"]):
        with pytest.raises(SystemExit):
            main([*poses, *wrong])

"""All eight EXIF orientations, square photos too: refused with a sentence that names EXIF, by whoever reads photos."""

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mickey_hloc import cli
from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin.steps import find_images
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.images import exif_focal_px, read_image

TURNED = range(2, 9)
FORMATS = ("jpg", "png", "tif", "webp")


def write_turned(path: Path, orientation: int, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """A photo with an EXIF orientation; returns its pixels as stored, (H, W, 3)."""
    pixels = (np.random.default_rng(0).random((size[1] // 4, size[0] // 4, 3)) * 255).astype(np.uint8)
    pixels = pixels.repeat(4, axis=0).repeat(4, axis=1)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(pixels).save(path, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))
    return pixels


@pytest.mark.parametrize("size", [(48, 40), (40, 40)], ids=["wide", "square"])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", TURNED)
def test_each_orientation_is_refused_or_read_as_stored(
    orientation: int, kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    pixels = write_turned(path, orientation, size)
    with pytest.raises(InputError, match=f"has EXIF orientation {orientation}: it is shown turned"):
        read_image(path)
    stored = read_image(path, "ignore")
    assert stored.shape == pixels.shape
    if kind != "jpg":
        np.testing.assert_array_equal(stored, pixels)
    with pytest.raises(InputError, match=f"has EXIF orientation {orientation}"):
        find_images(tmp_path)
    assert find_images(tmp_path, exif_turn="ignore") == [path.name]


@pytest.mark.parametrize("orientation", TURNED)
def test_pose_and_the_steps_follow_one_rule(
    orientation: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With depth beside the photos as well, which belongs to the pixels as stored."""
    for name in ("a", "b"):
        write_turned(tmp_path / f"{name}.png", orientation, (320, 240))
        depth = np.linspace(1500, 3000, 320 * 240).reshape(240, 320).astype(np.uint16)
        PIL.Image.fromarray(depth).save(tmp_path / f"{name}.sensor.png")
    pose = ["pose", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--focal", "300", "--feature", "sift"]
    pose += ["--depth", "png:sensor"]
    extract = ["extract", str(tmp_path), "--feature", "sift", "--output", str(tmp_path / "f.h5")]
    assert cli.main(pose) == 2
    assert f"EXIF orientation {orientation}" in capsys.readouterr().err
    assert cli.main(extract) == 1
    assert f"EXIF orientation {orientation}" in capsys.readouterr().out
    assert cli.main([*pose, "--exif", "ignore"]) == 0
    assert cli.main([*extract, "--exif", "ignore"]) == 0
    with FeatureFile(tmp_path / "f.h5") as file:
        assert file.read("a.png").image_size == (320, 240)


@pytest.mark.parametrize("value", [0, -28, (1, 0), (0, 1), b"28 mm", "wide", 1e308])
def test_a_focal_length_that_is_none_is_not_taken(value: object, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = value
    try:
        PIL.Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
    except (TypeError, ValueError, OverflowError, struct.error):
        pytest.skip("Pillow cannot write it")
    found = exif_focal_px(tmp_path / "a.jpg")
    assert found is None or 0 < found < 1e300

"""Images arrive as RGB and upright, or with a sentence that names the file."""

import numpy as np
import pytest
from PIL import Image

from mickey_hloc.errors import InputError
from mickey_hloc.io.images import exif_focal_px, image_to_tensor, read_image

ORIENTATION, FOCAL_35MM, FOCAL = 0x0112, 0xA405, 0x920A


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def test_pixels_survive(tmp_path, picture) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)
    tensor = image_to_tensor(picture)
    assert tensor.shape == (1, 3, 20, 30)
    np.testing.assert_allclose(tensor[0, :, 3, 4] * 255, picture[3, 4], atol=1e-4)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path, picture, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(picture).convert(mode).save(path)
    assert read_image(path).shape == (20, 30, 3)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path) -> None:
    values = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[..., 0], values / 257, atol=1)


def test_orientation_is_applied_unless_asked_not_to(tmp_path, picture) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(picture, -1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", upright=False), picture)


def test_focal_length_from_exif(tmp_path, picture) -> None:
    large = Image.fromarray(picture).resize((3600, 2400))
    exif = Image.Exif()
    exif[0x8769] = {FOCAL_35MM: 35}
    large.save(tmp_path / "a.jpg", exif=exif)
    assert exif_focal_px(tmp_path / "a.jpg") == pytest.approx(3600, rel=0.05)
    large.save(tmp_path / "b.jpg")
    assert exif_focal_px(tmp_path / "b.jpg") is None


def test_files_that_are_no_images(tmp_path, picture) -> None:
    Image.fromarray(picture).resize((300, 200)).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for name, message in {
        "absent.jpg": "does not exist",
        "truncated.jpg": "truncated",
        "text.jpg": "not an image",
        "empty.png": "not an image",
        "folder.png": "cannot be read",
    }.items():
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            read_image(tmp_path / name)


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (100, 15)).save(tmp_path / "big.png")
    Image.new("RGB", (100, 100)).save(tmp_path / "bomb.png")
    for name in ("big.png", "bomb.png"):
        with pytest.raises(InputError, match="too large"):
            read_image(tmp_path / name)

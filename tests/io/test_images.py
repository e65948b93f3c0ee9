"""Images arrive as RGB, pixels as stored, or with a sentence that names the file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from mickey_hloc.errors import InputError
from mickey_hloc.io.image_batches import Preprocessing, load_image
from mickey_hloc.io.images import exif_focal_px, exif_orientation, image_to_tensor, read_image, read_image_size

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


def test_eight_bits_survive_in_wider_types(tmp_path, picture) -> None:
    grey = picture[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.tif")
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "float.tif")
    (tmp_path / "a.pgm").write_bytes(b"P5\n30 20\n65535\n" + (grey.astype(">u2") * 257).tobytes())
    (tmp_path / "a.pfm").write_bytes(b"Pf\n30 20\n-1.0\n" + (grey[::-1].astype("<f4") / np.float32(255)).tobytes())
    for name in ("a.png", "a.tif", "float.tif", "a.pgm", "a.pfm"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.repeat(grey[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(256, dtype=np.int32).reshape(8, 32), "32-bit whole numbers from 0 to 255"),
        (np.arange(256, dtype=np.uint32).reshape(8, 32) * 257, "32-bit whole numbers from 0 to 65535"),
        (np.arange(256, dtype=np.float32).reshape(8, 32), "32-bit floating point from 0 to 255"),
        (np.linspace(-0.1, 1, 256, dtype=np.float32).reshape(8, 32), "32-bit floating point from -0.1 to 1"),
        (np.full((8, 32), np.nan, dtype=np.float32), "32-bit floating point from nan to nan"),
    ],
)
def test_thirty_two_bits_that_do_not_say_what_is_white_are_refused(tmp_path, values, message: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=rf"a\.tif has {message}.*save it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


FORMATS = {"jpg": {"quality": 95}, "png": {}, "tif": {}, "webp": {"lossless": True}}


def save_turned(path: Path, pixels: np.ndarray, orientation: int) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **FORMATS[path.suffix[1:]])
    return path


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("extension", FORMATS)
def test_a_photo_that_exif_turns_is_refused_or_read_as_stored(tmp_path, picture, extension: str, orientation) -> None:
    for pixels, name in ((picture, "oblong"), (picture[:, :20], "square")):
        plain = tmp_path / f"plain.{extension}"
        Image.fromarray(pixels).save(plain, **FORMATS[extension])
        path = save_turned(tmp_path / f"{name}.{extension}", pixels, orientation)
        assert exif_orientation(path) == orientation
        for refused in (lambda path=path: read_image(path), lambda path=path: read_image(path, exif_turn="refuse")):
            with pytest.raises(InputError, match=rf"{name}\.{extension} has EXIF orientation {orientation}") as error:
                refused()
            for remedy in ("save the photo turned", "exif_turn=ignore", "--exif ignore"):
                assert remedy in str(error.value)
        np.testing.assert_array_equal(read_image(path, exif_turn="ignore"), read_image(plain))
        assert read_image_size(path) == (pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
@pytest.mark.parametrize("extension", FORMATS)
def test_no_turn_and_invalid_orientations(tmp_path, picture, extension: str, orientation: int) -> None:
    path = save_turned(tmp_path / f"a.{extension}", picture, orientation)
    assert exif_orientation(path) == 1
    np.testing.assert_array_equal(read_image(path), read_image(path, exif_turn="ignore"))
    Image.fromarray(picture).save(tmp_path / f"b.{extension}", **FORMATS[extension])
    assert exif_orientation(tmp_path / f"b.{extension}") == 1


def png_with_exif(path: Path, pixels: np.ndarray, block: bytes, late: bool) -> Path:
    """A PNG with an eXIf chunk behind its header or behind its pixels, as exiftool writes it."""
    Image.fromarray(pixels).save(path)
    content, place = path.read_bytes(), -12 if late else 33
    body = b"eXIf" + block
    chunk = struct.pack(">I", len(block)) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(content[:place] + chunk + content[place:])
    return path


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_of_a_png_wherever_it_stands_and_damaged_exif(tmp_path, picture, late: bool) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    path = png_with_exif(tmp_path / "a.png", picture, exif.tobytes().removeprefix(b"Exif\0\0"), late)
    assert exif_orientation(path) == 8
    with pytest.raises(InputError, match="EXIF orientation 8"):
        read_image(path)
    text = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\x01abcd"  # an orientation that is no number
    for damaged in (b"", b"no exif at all", b"II*\0\xff\xff\xff\x7f", text):
        png_with_exif(path, picture, damaged, late)
        assert exif_orientation(path) == 1
        np.testing.assert_array_equal(read_image(path), picture)


def test_the_orientation_is_read_without_decoding(tmp_path, monkeypatch) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    Image.new("RGB", (300, 200)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert [exif_orientation(tmp_path / name) for name in ("a.png", "a.jpg")] == [1, 1]
    with pytest.raises(InputError, match=r"absent\.jpg does not exist"):
        exif_orientation(tmp_path / "absent.jpg")


def test_preprocessing_says_what_happens_to_turned_photos(tmp_path, picture) -> None:
    path = save_turned(tmp_path / "a.png", picture, 6)
    with pytest.raises(InputError, match="EXIF orientation 6"):
        load_image(path, Preprocessing())
    image, size = load_image(path, Preprocessing(exif_turn="ignore"))
    assert size == (30, 20)
    np.testing.assert_array_equal((image * 255).round(), picture.transpose(2, 0, 1))
    with pytest.raises(InputError, match="exif_turn must be refuse or ignore"):
        read_image(path, exif_turn="turn")


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
        "folder.png": "is a folder; name an image file",
    }.items():
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            read_image(tmp_path / name)
        if name != "truncated.jpg":  # its header is whole
            with pytest.raises(InputError, match=f"{name}.*{message}"):
                read_image_size(tmp_path / name)


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (100, 15)).save(tmp_path / "big.png")
    Image.new("RGB", (100, 100)).save(tmp_path / "bomb.png")
    for name in ("big.png", "bomb.png"):
        with pytest.raises(InputError, match="too large"):
            read_image(tmp_path / name)

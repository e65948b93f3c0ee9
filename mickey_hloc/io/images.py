"""Reading images: RGB, pixels as stored, whole, or a sentence that says why not.

Names and files mean the pixels as they are stored in the file, as in hloc and COLMAP; keypoints, intrinsics and depth
maps belong to these. A photo whose EXIF orientation asks for a turn is refused unless the caller ignores it.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pycolmap
import torch
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError
from torch import Tensor

from mickey_hloc.errors import InputError

ExifTurn = Literal["refuse", "ignore"]

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
DEPTH_SUFFIXES = (".png", ".pgm", ".tif", ".tiff")  # of formats that can hold a depth map
_EXIF_IFD, _FOCAL_LENGTH_IN_35MM = 0x8769, 0xA405
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
# What undoes the turn of each EXIF orientation.
_TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def read_image(path: Path, exif_turn: ExifTurn = "refuse") -> np.ndarray:
    """An image as RGB, its pixels as the file stores them.

    Args:
        exif_turn: what happens to a photo that its EXIF orientation turns: "refuse" it, or "ignore" the orientation,
            for images whose poses and intrinsics belong to the stored pixels.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: the file is missing, no image, truncated, larger than Pillow's limit against bombs, of 32 bit with
            no known white, or has to be turned.
    """
    if exif_turn not in ("refuse", "ignore"):
        raise InputError(f"exif_turn must be refuse or ignore, got {exif_turn!r}.")
    with _opened(Path(path)) as file:
        pixels, most = file.width * file.height, Image.MAX_IMAGE_PIXELS
        if most is not None and pixels > most:  # up to twice the limit Pillow only warns
            raise Image.DecompressionBombError(f"{pixels} pixels, more than {most}")
        orientation = _orientation(file, Path(path))
        if orientation != 1 and exif_turn == "refuse":
            raise _turned(path, orientation)
        image = _to_rgb(file, path)
        # Pillow turns a TIFF, and no other format, by itself.
        if isinstance(file, TiffImagePlugin.TiffImageFile) and orientation != 1:
            image = image.transpose(_TURN_BACK[orientation])
        return np.asarray(image)


def read_image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the pixels as stored, from the file's header.

    Raises:
        InputError: no such file, or no image.
    """
    with _opened(Path(path)) as image:
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # its size is that after the turn
            return int(image.tag_v2[_TIFF_WIDTH]), int(image.tag_v2[_TIFF_HEIGHT])
        return image.size


def is_depth_image(path: Path) -> bool:
    """Whether a file has one channel of 16 or 32 bit, as depth maps do and photos hardly ever; from its header.

    Files that are no image at all are none: whoever reads them says what is wrong.
    """
    if path.suffix.lower() not in DEPTH_SUFFIXES:
        return False
    try:
        with _opened(path) as image:
            return image.mode.startswith(("I", "F"))
    except InputError:
        return False


def exif_orientation(path: Path) -> int:
    """The EXIF orientation, 1 to 8, without decoding the pixels; 1, no turn, where there is none or an invalid one.

    Raises:
        InputError: no such file, or no image.
    """
    with _opened(Path(path)) as image:
        return _orientation(image, Path(path))


def check_not_turned(path: Path) -> None:
    """Refuse a photo that its EXIF orientation turns, without decoding the pixels.

    Raises:
        InputError: it does; or no such file, or no image.
    """
    orientation = exif_orientation(path)
    if orientation != 1:
        raise _turned(path, orientation)


def _turned(path: Path, orientation: int) -> InputError:
    return InputError(
        f"{path} has EXIF orientation {orientation}: it is shown turned, but keypoints, depth and intrinsics belong to "
        "the pixels as stored; save the photo turned, or use the stored pixels with exif_turn=ignore (--exif ignore)."
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The open file; what goes wrong with it in the block becomes an InputError."""
    if path.exists() and not path.is_file():  # Pillow would wait for ever for a named pipe
        raise InputError(f"{path} is a {'folder' if path.is_dir() else 'pipe or device'}; name an image file.")
    try:
        with Image.open(path) as file:
            yield file
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is not an image or cannot be read as an image by Pillow; convert it to JPEG or PNG."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path} is too large to be a photo ({error}); resize it.") from error
    except (OSError, SyntaxError, ValueError, struct.error) as error:  # Pillow's words for damaged files
        raise InputError(f"{path} cannot be read ({error}); it may be truncated: copy it again.") from error


def _orientation(image: Image.Image, path: Path) -> int:
    try:
        # PngImageFile's own getexif decodes all pixels to find a chunk that stands behind them.
        exif = Image.Image.getexif(image)
        if image.format == "PNG" and ExifTags.Base.Orientation not in exif and (late := _png_exif(path)):
            exif.load(late)
        found = exif.get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, struct.error):  # a damaged EXIF block in an image that may well be whole
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _png_exif(path: Path) -> bytes:
    """The content of a PNG's eXIf chunk, wherever it stands; empty where there is none."""
    with open(path, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return file.read(length)
            file.seek(length + 4, 1)  # 4: the checksum
    return b""


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Eight bits a channel; wider values are scaled, where Pillow would clip them."""
    if not image.mode.startswith(("I", "F")):
        return image.convert("RGB")
    values = np.asarray(image, dtype=np.float64)
    # Pillow scales a PGM's values to 16 bit.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        white = 65535.0
    elif image.mode == "F" and values.min() >= 0 and values.max() <= 1:
        white = 1.0
    else:
        kind = "floating point" if image.mode == "F" else "whole numbers"
        raise InputError(
            f"{path} has 32-bit {kind} from {values.min():g} to {values.max():g} and does not say "
            "which of them is white; save it with 8 or 16 bits."
        )
    return Image.fromarray((values * (255.0 / white)).clip(0, 255).astype(np.uint8)).convert("RGB")


def image_to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255


def exif_focal_px(path: Path) -> float | None:
    """Focal length in pixels from the EXIF data; None where the file has none.

    The 35 mm equivalent is taken first, as the diagonal of 43.27 mm defines it (CIPA DCG-001); then what COLMAP knows
    of the camera model's sensor.
    """
    with _opened(path) as file:
        try:
            equivalent = file.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_LENGTH_IN_35MM)
        except (SyntaxError, ValueError, TypeError, struct.error):  # a damaged EXIF block
            return None
        diagonal = float(np.hypot(*file.size))
    millimetres = _positive(equivalent)
    if millimetres is not None:
        return _positive(diagonal * millimetres / FULL_FRAME_DIAGONAL_MM)
    try:
        camera = pycolmap.infer_camera_from_image(str(path))
    except (ValueError, RuntimeError, UnicodeError):  # a format or a name that COLMAP does not read
        return None
    return _positive(camera.mean_focal_length()) if camera.has_prior_focal_length else None


def _positive(value: object) -> float | None:
    """A positive, finite number of an EXIF field; None where it holds anything else, 0 being "unknown"."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if 0 < number < math.inf else None

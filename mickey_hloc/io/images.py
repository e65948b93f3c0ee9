"""Reading images: RGB, upright, whole, or a sentence that says why not."""

import warnings
from pathlib import Path

import numpy as np
import pycolmap
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from mickey_hloc.errors import InputError

QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_EXIF_IFD, _FOCAL_LENGTH_IN_35MM = 0x8769, 0xA405


def read_image(path: Path, upright: bool = True) -> np.ndarray:
    """An image as RGB.

    Args:
        upright: turn it by its EXIF orientation. hloc and COLMAP do not: their pixels are those of the file as stored.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: the file is missing, no image, truncated, or larger than Pillow's limit against bombs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                return np.asarray(_to_rgb(ImageOps.exif_transpose(file) if upright else file))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not an image that can be read; convert it to JPEG or PNG.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path} is too large to be a photo ({error}); resize it.") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's words for damaged files
        raise InputError(f"{path} cannot be read ({error}); it may be truncated: copy it again.") from error


def read_image_size(path: Path, upright: bool = False) -> tuple[int, int]:
    """(width, height) from the file's header, as stored or, if ``upright``, as turned by its EXIF orientation.

    Raises:
        InputError: no such file, or no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if upright and image.getexif().get(ExifTags.Base.Orientation, 1) in QUARTER_TURNS:
                width, height = height, width
    except FileNotFoundError:
        raise InputError(f"No image {path}; its size is needed to place the depth map on it.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image ({error}); replace the file.") from error
    return width, height


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # Pillow would clip 16 bit to 8, not scale it
        values = np.asarray(image, dtype=np.float64)
        scale = 255.0 / 65535.0 if image.mode.startswith("I") else 255.0
        return Image.fromarray((values * scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def image_to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255


def exif_focal_px(path: Path) -> float | None:
    """Focal length in pixels from the EXIF data; None where the file has none.

    The 35 mm equivalent is taken first, as the diagonal of 43.27 mm defines it (CIPA DCG-001); then what COLMAP knows
    of the camera model's sensor.
    """
    with Image.open(path) as file:
        equivalent = file.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_LENGTH_IN_35MM)
        diagonal = float(np.hypot(*file.size))
    if equivalent:
        return diagonal * float(equivalent) / float(np.hypot(36.0, 24.0))
    camera = pycolmap.infer_camera_from_image(str(path))
    return float(camera.mean_focal_length()) if camera.has_prior_focal_length else None

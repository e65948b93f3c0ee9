"""Writing pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.visualization.canvas import check_image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def save_image(path: Path, image: np.ndarray) -> Path:
    """Write a picture, whole or not at all; missing folders are made.

    Args:
        path: its ending chooses the format: .png, .jpg or .webp.
        image: (H, W, 3) uint8 RGB.

    Raises:
        InputError: another ending.
        ValueError: not such an array.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: a picture is written as {', '.join(FORMATS)}, not '{path.suffix}'.")
    with atomic_path(path) as temporary:
        Image.fromarray(check_image("image", image)).save(temporary, format=FORMATS[path.suffix.lower()], quality=92)
    return path

"""Whether COLMAP's binary files are whole: its own reader goes on behind the end of a file that is not."""

import struct
from collections.abc import Callable
from pathlib import Path

import pycolmap

from mickey_hloc.errors import InputError


def check_binary_model(folder: Path) -> None:
    """Refuse binary files that are shorter than they say, which COLMAP would read until the memory is full.

    Raises:
        InputError: the message names the file.
    """
    for name, item_end in _ITEM_ENDS.items():
        if (folder / f"{name}.bin").is_file():
            _check_whole(folder / f"{name}.bin", item_end)


def _check_whole(path: Path, item_end: Callable[[bytes, int], int]) -> None:
    data = path.read_bytes()
    try:
        (count,) = struct.unpack_from("<Q", data)
        place = 8
        for _ in range(count):
            place = item_end(data, place)
            if place > len(data):
                raise struct.error
    except (struct.error, ValueError):
        raise InputError(
            f"The COLMAP model {path.parent} cannot be read ({path.name} is truncated or damaged)."
        ) from None


def _camera_end(data: bytes, start: int) -> int:
    """id, model, width, height, parameters."""
    (model,) = struct.unpack_from("<i", data, start + 4)
    try:
        camera = pycolmap.Camera.create_from_model_id(1, pycolmap.CameraModelId(model), 1.0, 1, 1)
    except (ValueError, RuntimeError, IndexError):
        raise struct.error from None
    return start + 24 + 8 * len(camera.params)


def _image_end(data: bytes, start: int) -> int:
    """id, quaternion, translation, camera's id, name, pixels with their point's id."""
    end_of_name = data.index(b"\0", start + 64) + 1
    (count,) = struct.unpack_from("<Q", data, end_of_name)
    return int(end_of_name + 8 + 24 * count)


def _point_end(data: bytes, start: int) -> int:
    """id, position, colour, error, track."""
    (count,) = struct.unpack_from("<Q", data, start + 43)
    return int(start + 51 + 8 * count)


_ITEM_ENDS = {"cameras": _camera_end, "images": _image_end, "points3D": _point_end}

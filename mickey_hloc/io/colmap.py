"""COLMAP models: whether a folder is one, and reading it."""

from pathlib import Path

import pycolmap

from mickey_hloc.errors import InputError


def has_colmap_model(folder: Path) -> bool:
    """Whether a COLMAP model lies in the folder."""
    return any((folder / f"images{end}").is_file() and (folder / f"cameras{end}").is_file() for end in (".bin", ".txt"))


def read_colmap_model(folder: Path) -> pycolmap.Reconstruction:
    """Read a COLMAP model, binary or text.

    Raises:
        InputError: none lies there, or it is damaged.
    """
    if not has_colmap_model(folder):
        raise InputError(f"{folder} has no COLMAP model (cameras and images, .bin or .txt).")
    try:
        return pycolmap.Reconstruction(str(folder))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"The COLMAP model {folder} cannot be read ({error}).") from error

"""Reading npz files that nobody vouches for: numbers only, and never more than the file really has."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from mickey_hloc.errors import InputError

MAX_BYTES = 2 << 30  # of one array: twice the largest depth map that is read
# What zipfile raises on damaged, encrypted or unknown files, and numpy on what is in them.
ZIP_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, IndexError, TypeError, SyntaxError, OverflowError, MemoryError),
    *(RuntimeError, NotImplementedError, AttributeError, zipfile.BadZipFile, zlib.error),
)


def npz_keys(path: Path, what: str) -> list[str]:
    """The names of the arrays in an npz file.

    Args:
        what: what the file is, for the message, e.g. "depth file".

    Raises:
        InputError: no such file, or no npz file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except FileNotFoundError:
        raise InputError(f"No {what} {path}.") from None
    except ZIP_DAMAGE as error:
        raise InputError(f"{path} is not a readable npz file ({_told(error)}).") from error


def read_npz(path: Path, key: str, what: str) -> np.ndarray:
    """One array of numbers of an npz file; its header is believed only as far as its bytes go.

    Raises:
        InputError: no such file or array, no numbers, larger than ``MAX_BYTES``, or damaged.
    """
    keys = npz_keys(path, what)
    if key not in keys:
        raise InputError(f"{path} is no {what}: it has no array '{key}'.")
    try:
        with zipfile.ZipFile(path) as archive:
            name = key if key in archive.namelist() else f"{key}.npy"
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, fortran, dtype = read_header[version](file)
                size = math.prod(shape) * dtype.itemsize
                if dtype.kind not in "biuf" or not 0 <= size <= MAX_BYTES:
                    raise InputError(f"{path}: the array '{key}' is {dtype} of shape {shape}, which is not read.")
                content = _read(file, size)
        if len(content) != size:
            raise InputError(f"{path}: the array '{key}' has {len(content)} bytes where its header says {size}.")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    except ZIP_DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: the array '{key}' cannot be read ({_told(error)}).") from error


def _read(file: IO[bytes], size: int) -> bytes:
    """At most ``size`` bytes and one more, piece by piece: memory grows with what is there."""
    pieces, total = [], 0
    while total <= size and (piece := file.read(min(1 << 20, size + 1 - total))):
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]

"""Opening HDF5 files of others: one sentence instead of a stack of library errors."""

from pathlib import Path
from typing import Any

import h5py

from mickey_hloc.errors import InputError

NO_SPACE = ("No space left", "errno = 28", "errno = 122", "Disk quota exceeded")


def open_for_reading(path: Path, what: str) -> h5py.File:
    """Open a file that must exist.

    Args:
        what: what the file is, for the message, e.g. "features file".

    Raises:
        InputError: it does not exist or is not a readable HDF5 file.
    """
    if not Path(path).is_file():
        raise InputError(f"No {what} {path}.")
    try:
        # hloc writes and reads its files with the same setting
        return h5py.File(str(path), "r", libver="latest")
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a readable {what} ({reason}); a writer may have been killed while it was open: "
            "remove the file and make it again."
        ) from error


def read_array(group: h5py.Group, key: str, where: str) -> Any:
    """One dataset as a numpy array.

    Raises:
        InputError: it is absent or its bytes cannot be read.
    """
    dataset = group.get(key)
    if not isinstance(dataset, h5py.Dataset):
        known = ", ".join(sorted(group)) or "nothing"
        raise InputError(f"{where} has no '{key}' (it has: {known}).")
    try:
        return dataset[()]
    except OSError as error:
        raise InputError(f"'{key}' of {where} cannot be read ({error}); the file is damaged, make it again.") from error


def is_disk_full(error: OSError | RuntimeError) -> bool:
    """Whether an error of the HDF5 library (which hides the errno in its text) means that the disk is full."""
    return getattr(error, "errno", None) in (28, 122) or any(text in str(error) for text in NO_SPACE)

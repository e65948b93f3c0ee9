"""Files that have to stay what they were: a checksum beside each, in the format of sha256sum."""

import hashlib
import re
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.files import atomic_path


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def folder_checksum(folder: Path) -> str:
    """Checksum of the configuration and weights files in a model's folder."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".bin") and p.is_file())
    return hashlib.sha256("".join(f"{p.name} {sha256(p)}\n" for p in files).encode()).hexdigest()


def checksum_file(path: Path) -> Path:
    """Where the checksum of a file is recorded."""
    return path.with_name(path.name + ".sha256")


def hold(path: Path) -> None:
    """Trust on first use: from now on the file has to stay what it is. The record has the format of sha256sum.

    Raises:
        WeightsError: as ``verify``.
    """
    if verify(path):
        return
    try:
        with atomic_path(checksum_file(path)) as temporary:
            temporary.write_text(f"{sha256(path)}  {path.name}\n", encoding="utf-8")
    except OSError as error:  # a cache that others filled and only they may write is still of use
        warnings.warn(f"the checksum of {path} cannot be recorded: {error.strerror}", stacklevel=3)


def verify(path: Path) -> bool:
    """Whether a checksum is recorded.

    Raises:
        WeightsError: one is, and the file has another one, or cannot be read.
    """
    record = checksum_file(path)
    if not record.is_file():
        return False
    try:
        recorded = re.search(r"\b[0-9a-fA-F]{64}\b", record.read_text(encoding="utf-8", errors="replace"))
        actual = sha256(path)
    except OSError as error:
        raise WeightsError(f"Cannot read {error.filename}: {error.strerror}.") from error
    if recorded is None:
        raise WeightsError(f"{record} holds no checksum; remove it to trust {path.name} as it is now.")
    if actual != recorded[0].lower():
        raise WeightsError(
            f"{path} does not have the checksum recorded in {record.name}, so it is damaged or was replaced: remove it "
            f"to download it again, and {record.name} too if you know that its publisher changed it."
        )
    return True


def arrays_crc(arrays: Mapping[str, np.ndarray]) -> int:
    """Of the float32 arrays of an image's group, as matches files keep it."""
    crc = 0
    for key in sorted(arrays):
        crc = zlib.crc32(np.asarray(arrays[key], dtype=np.float32).tobytes(), zlib.crc32(key.encode(), crc))
    return crc

"""Features files as matchers read them: every dataset, whatever the extractor stored."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.io.hdf5 import open_for_reading, read_array

REMEMBER = 8  # images kept in memory: a reference and its queries come in a row


class StoredArrays:
    """Every dataset of every image of a features file; use it in a ``with`` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_for_reading(path, "features file")
        self._checksums: dict[str, int] = {}
        self._images: OrderedDict[str, dict[str, Tensor]] = OrderedDict()

    def __enter__(self) -> StoredArrays:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, object]:
        return dict(self._file.attrs)

    def __contains__(self, name: str) -> bool:
        return isinstance(self._file.get(name), h5py.Group)

    def read(self, name: str) -> dict[str, Tensor]:
        """All datasets of an image as float32.

        Raises:
            InputError: damaged, or without keypoints or descriptors.
        """
        if name not in self._images:
            group = self._file[name]
            where = f"image '{name}' in {self.path}"
            for key in ("keypoints", "descriptors", "image_size"):
                read_array(group, key, where)
            self._images[name] = {
                key: torch.from_numpy(np.asarray(read_array(group, key, where), dtype=np.float32)) for key in group
            }
            if len(self._images) > REMEMBER:
                self._images.popitem(last=False)
        self._images.move_to_end(name)
        return self._images[name]

    def checksum(self, name: str) -> int:
        """Of every dataset of an image: tells features of another run from these."""
        if name not in self._checksums:
            self._checksums[name] = checksum({key: value.numpy() for key, value in self.read(name).items()})
        return self._checksums[name]


def checksum(arrays: Mapping[str, np.ndarray]) -> int:
    """Of the float32 arrays of an image's group, as matches files keep it."""
    crc = 0
    for key in sorted(arrays):
        crc = zlib.crc32(np.asarray(arrays[key], dtype=np.float32).tobytes(), zlib.crc32(key.encode(), crc))
    return crc

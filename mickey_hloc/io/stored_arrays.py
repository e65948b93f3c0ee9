"""Features files as matchers read them: every dataset, whatever the extractor stored."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.io.checksum import arrays_crc
from mickey_hloc.io.features import PER_KEYPOINT, image_names
from mickey_hloc.io.hdf5 import contains, find_group, numeric_keys, open_for_reading, read_array, read_attributes
from mickey_hloc.io.pairs import Pair
from mickey_hloc.io.recent import Recent, near_together


class StoredArrays:
    """Every dataset of every image of a features file; use it in a ``with`` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_for_reading(path, "features file")
        self._checksums: dict[str, int] = {}
        self._images: Recent[str, dict[str, Tensor]] = Recent(_bytes_of)

    def __enter__(self) -> StoredArrays:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, object]:
        return dict(read_attributes(self._file))

    def __contains__(self, name: str) -> bool:
        return find_group(self._file, name) is not None

    def read(self, name: str) -> dict[str, Tensor]:
        """All datasets of an image as float32.

        Raises:
            InputError: damaged, or without keypoints or descriptors.
        """
        return self._images.get(name, lambda: self._read(name))

    def in_reading_order(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs in an order in which few images are read more than once."""
        if pairs:
            with contextlib.suppress(InputError):  # it is found again when the pair's turn comes
                self.read(pairs[0][0])
        return near_together(pairs, self._images.room)

    def _read(self, name: str) -> dict[str, Tensor]:
        group = find_group(self._file, name)
        keys = [] if group is None else numeric_keys(group)
        if group is None or not (keys or contains(group, "keypoints")):
            example = next(iter(image_names(self._file)), None)
            has = "it has none at all" if example is None else f"it has names like '{example}'"
            raise InputError(f"{self.path} has no features of image '{name}' ({has}).")
        where = f"image '{name}' in {self.path}"
        for key in ("keypoints", "descriptors", "image_size"):
            if key not in keys:
                read_array(group, key, where)  # says what is wrong with it
        arrays = {key: np.asarray(read_array(group, key, where), dtype=np.float32) for key in keys}
        _check(arrays, where)
        return {key: torch.from_numpy(array) for key, array in arrays.items()}

    def checksum(self, name: str) -> int:
        """Of every dataset of an image: tells features of another run from these."""
        if name not in self._checksums:
            self._checksums[name] = arrays_crc({key: value.numpy() for key, value in self.read(name).items()})
        return self._checksums[name]


def _bytes_of(arrays: Mapping[str, Tensor]) -> int:
    """How much memory an image's arrays take."""
    return sum(array.nbytes for array in arrays.values())


def _check(arrays: Mapping[str, np.ndarray], where: str) -> None:
    """Raise an InputError unless there is one finite value, or descriptor, for each keypoint."""
    keypoints = arrays["keypoints"]
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        raise InputError(f"'keypoints' of {where} has shape {keypoints.shape}, expected (N, 2); extract it again.")
    for key in ("descriptors", *PER_KEYPOINT):
        array = arrays.get(key)
        if array is None:
            continue
        if array.ndim != (2 if key == "descriptors" else 1) or array.shape[-1] != len(keypoints):
            raise InputError(
                f"'{key}' of {where} has shape {array.shape}, which does not fit its {len(keypoints)} keypoints; "
                "extract it again."
            )
    for key in ("keypoints", "descriptors"):
        if not np.isfinite(arrays[key]).all():
            raise InputError(f"'{key}' of {where} has values that are not finite; extract it again.")

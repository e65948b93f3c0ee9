"""Depth maps in one npz file keyed by frame, as other methods' depth is published for ScanNet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from mickey_hloc.depth.base import as_metres
from mickey_hloc.depth.dense import MAX_PIXELS, DenseDepthSource, DenseOptions, check_resolution, require_positive
from mickey_hloc.errors import InputError
from mickey_hloc.io.npz import npz_keys, read_npz


@dataclass(frozen=True)
class NpzOptions(DenseOptions):
    """Attributes: metres_per_unit: None = 0.001 for whole numbers (millimetres), 1 for floating point (metres)."""

    metres_per_unit: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metres_per_unit is not None:
            require_positive(self, "metres_per_unit")


class NpzDepth(DenseDepthSource):
    """``npz:<file>``: arrays H x W keyed by frame, whole numbers in millimetres or floating point in metres.

    A frame is found under its name, with or without extension and ``.color``, or under the end of its path
    (scene/frame, frame): a file keyed by bare frame names is taken to belong to the one scene that it is asked about.
    """

    unit_advice = (
        "Whole numbers are read as millimetres and others as metres; --set depth.metres_per_unit=0.001 says otherwise."
    )
    Options: ClassVar[type] = NpzOptions
    options: NpzOptions

    def __init__(
        self, argument: str | Path = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        super().__init__(str(argument), image_dir=image_dir, features=features, **options)
        if not self.argument:
            raise self._needs_argument()
        self.path = Path(self.argument)
        self._keys = set(npz_keys(self.path, "depth file"))

    @property
    def unit_is_said(self) -> bool:
        return self.options.metres_per_unit is not None

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        key = next((name for name in frame_keys(image_name) if name in self._keys), None)
        if key is None:
            raise InputError(f"{self.path} has no depth for image '{image_name}'; it has {self._example()}.")
        values = np.squeeze(read_npz(self.path, key, "depth file"))
        if values.ndim != 2 or values.dtype.kind not in "iuf" or not 0 < values.size <= MAX_PIXELS:
            raise InputError(
                f"{self.path}: the array '{key}' is {values.dtype} of shape {values.shape}, wanted numbers, H x W."
            )
        unit = self.options.metres_per_unit or (1.0 if values.dtype.kind == "f" else 0.001)
        depth_map = as_metres(values.astype(np.float64) * unit)
        check_resolution(f"{self.path}: the array '{key}'", depth_map, image_size)
        return depth_map

    def _example(self) -> str:
        return f"{len(self._keys)} frames, such as {min(self._keys)!r}" if self._keys else "no frames at all"


def frame_keys(image_name: str) -> list[str]:
    """The keys that a frame may have in the file, the most specific first."""
    path = PurePosixPath(image_name)
    stem = path.stem.removesuffix(".color")
    names = list(dict.fromkeys([path.name, path.stem, stem]))
    folders = path.parts[:-1]
    keys = []
    for depth in range(len(folders) + 1):
        keys += ["/".join([*folders[depth:], name]) for name in names]
    if len(folders) > 1:  # a folder of sensor data between scene and frame
        keys += [f"{folders[0]}/{name}" for name in names]
    scannet = re.search(r"scene(\d{4}_\d{2})/(?:.*/)?(?:frame[-_])?(\d+)(?:\.color)?\.\w+$", image_name)
    if scannet:  # the Map-free benchmark's name of ScanNet frames: 0707_00_frame_000015
        keys.append(f"{scannet[1]}_frame_{int(scannet[2]):06}")
    return keys

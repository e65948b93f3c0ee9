"""MicKey's own depth: exact at its keypoints, interpolated between them for keypoints of any other method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sampling import pixel_grid
from mickey_hloc.depth.scattered import interpolate_depths
from mickey_hloc.errors import InputError
from mickey_hloc.registry import make_options


@dataclass(frozen=True)
class MickeyOptions:
    """Attributes: max_distance_px: farther from every usable keypoint depth is unknown; None: twice their spacing."""

    max_distance_px: float | None = None


@dataclass(frozen=True, eq=False)
class DepthSamples:
    """Attributes: keypoints: (M, 2) pixels. depths: (M,) metres. image_size: (width, height), where known."""

    keypoints: Tensor
    depths: Tensor
    image_size: tuple[int, int] | None = None


class MickeyDepth(DepthSource):
    """Depths stored with the keypoints of a features file, or given in memory by image name.

    The map is as fine as the keypoints stored: a file with all of MicKey's cells gives its whole low-resolution map.
    """

    def __init__(self, source: Path | Mapping[str, DepthSamples], **options: Any) -> None:
        self.options = make_options(MickeyOptions, options, where="depth source MickeyDepth")
        self.source = source if isinstance(source, Mapping) else Path(source)

    @classmethod
    def create(
        cls, argument: str, image_dir: Path | None, features: Path | None, options: dict[str, Any]
    ) -> MickeyDepth:
        path = Path(argument) if argument else features
        if path is None:
            raise InputError("Depth source 'mickey' needs a features file of MicKey: write mickey:<features.h5>.")
        return cls(path, **options)

    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        samples = self._samples(image_name)
        return interpolate_depths(samples.keypoints, samples.depths, keypoints, self.options.max_distance_px)

    def depth_map(self, image_name: str) -> Tensor | None:
        size = self._samples(image_name).image_size
        if size is None:
            return None
        return self.depths(image_name, pixel_grid(size)).reshape(size[1], size[0])

    def _samples(self, image_name: str) -> DepthSamples:
        if not isinstance(self.source, Mapping):
            return read_depth_samples(self.source, image_name)
        if image_name not in self.source:
            raise InputError(f"No MicKey keypoints for image '{image_name}'; run the model on it first.")
        return self.source[image_name]


def read_depth_samples(path: Path, image_name: str) -> DepthSamples:
    """Keypoints with depths of one image from a features file (HDF5, hloc's layout).

    Raises:
        InputError: no such file or image, or the features have no depths.
    """
    try:
        with h5py.File(path, "r") as file:
            group = file.get(image_name)
            if not isinstance(group, h5py.Group):
                raise InputError(f"{path} has no image '{image_name}'; extract its features into this file first.")
            missing = [key for key in ("keypoints", "depths") if key not in group]
            if missing:
                raise InputError(
                    f"{path} has no {' or '.join(missing)} for image '{image_name}'; only MicKey's features carry "
                    "depth, choose such a file or another depth source."
                )
            keypoints, depths = np.asarray(group["keypoints"]), np.asarray(group["depths"])
            size = np.asarray(group["image_size"]) if "image_size" in group else None
    except FileNotFoundError:
        raise InputError(f"No features file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read as a features file ({error}); extract the features again.") from error
    if keypoints.ndim != 2 or keypoints.shape[1] != 2 or depths.shape != keypoints.shape[:1]:
        raise InputError(
            f"{path}: image '{image_name}' has keypoints {keypoints.shape} and depths {depths.shape}, wanted "
            "N x 2 and N; extract its features again."
        )
    image_size = None if size is None or size.shape != (2,) else (int(size[0]), int(size[1]))
    return DepthSamples(torch.from_numpy(keypoints).float(), torch.from_numpy(depths).float(), image_size)

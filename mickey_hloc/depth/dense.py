"""Base of the sources that have a whole depth map per image: loads, remembers a few, samples."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sampling import resize_depth_map, sample_depth_map, sample_truncated
from mickey_hloc.errors import InputError, PartError
from mickey_hloc.io.images import read_image_size
from mickey_hloc.registry import CheckedOptions, require

MAX_PIXELS = 200_000_000  # larger than any camera's image: such a header is damage or an attack
NEAREST_M, FARTHEST_M = 0.1, 100.0  # of the scenes that metric poses are estimated of
SAMPLE = 100_000  # pixels that tell the extent of a map
ASPECT_TOLERANCE = 0.02  # ScanNet's sensor is 640x480 for a 1296x968 photo: 0.4 % off and meant so


@dataclass(frozen=True)
class DenseOptions(CheckedOptions):
    """Options of every dense source.

    Attributes:
        sampling: "bilinear", or "truncated" as the Map-free benchmark's baselines read depth.
        remember: how many depth maps stay in memory; each image is usually part of several pairs.
    """

    sampling: Literal["bilinear", "truncated"] = "bilinear"
    remember: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "remember")


class DenseDepthSource(DepthSource):
    """Depth maps of any resolution, sampled at keypoints of the image. Args, raises: as ``DepthSource``."""

    Options: ClassVar[type] = DenseOptions
    options: DenseOptions
    without_effect = frozenset({"remember"})
    unit_advice: ClassVar[str] = "Depth is in metres."  # how the unit is said, for messages

    def __init__(
        self, argument: str = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        super().__init__(argument, image_dir=image_dir, features=features, **options)
        if self.image_dir is None:
            raise self._needs("the image folder, to know the images' sizes: give --images DIR (in Python image_dir)")
        self._maps: OrderedDict[str, tuple[Tensor, tuple[int, int]]] = OrderedDict()

    @abstractmethod
    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        """(h, w) metres at the source's own resolution, unknown = NaN or <= 0; raises InputError.

        ``image_size`` is (width, height) of the image as stored.
        """

    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        depth_map, image_size = self._get(image_name)
        sample = sample_depth_map if self.options.sampling == "bilinear" else sample_truncated
        return sample(depth_map, keypoints, image_size)

    def _depth_map(self, image_name: str) -> Tensor | None:
        return resize_depth_map(*self._get(image_name))

    def _get(self, image_name: str) -> tuple[Tensor, tuple[int, int]]:
        if image_name in self._maps:
            self._maps.move_to_end(image_name)
            return self._maps[image_name]
        image_size = read_image_size(self.image_path(image_name))
        depth_map = self._checked(self._load_map(image_name, image_size), "a depth map", image_name)
        if depth_map.ndim != 2 or depth_map.numel() == 0:
            raise PartError(
                f"Depth source '{self.spec}' gave a depth map of shape {tuple(depth_map.shape)} for image "
                f"'{image_name}'; {type(self).__name__}._load_map must give (height, width)."
            )
        self._check_extent(depth_map, image_name)
        self._maps[image_name] = (depth_map, image_size)
        while len(self._maps) > self.options.remember:
            self._maps.popitem(last=False)
        return depth_map, image_size

    @property
    def unit_is_said(self) -> bool:
        """Whether the user said in which unit the files are."""
        return False

    def _check_extent(self, depth_map: Tensor, image_name: str) -> None:
        """Question depths that no photo has, as those of files in another unit; a UserWarning where the unit was said.

        Raises:
            InputError: 19 of 20 are nearer than 10 cm, or farther than 100 m, and nobody said the unit.
        """
        depths = depth_map[torch.isfinite(depth_map)].numpy()
        depths = depths[:: 1 + len(depths) // SAMPLE]
        if len(depths) == 0:
            return
        near, middle, far = np.quantile(depths, (0.05, 0.5, 0.95))
        if far >= NEAREST_M and near <= FARTHEST_M:
            return
        told = (
            f"Depth source '{self.spec}' has image '{image_name}' at {near:.3g} to {far:.3g} m ({middle:.3g} m in the "
            f"middle), which no photo of a scene shows: is it in another unit? {self.unit_advice}"
        )
        if not self.unit_is_said:
            raise InputError(told)
        warnings.warn(told, UserWarning, stacklevel=2)


def require_positive(options: object, name: str) -> None:
    """Raise an InputError unless an option is a positive, finite number."""
    require(options, name, 0 < getattr(options, name) < math.inf, "a positive number")


def check_resolution(what: str, depth_map: Tensor, image_size: tuple[int, int]) -> None:
    """Refuse a depth map that cannot cover the image.

    Raises:
        InputError: the aspect ratios differ by more than 2 %.
    """
    height, width = depth_map.shape
    rounding = 1.0 / max(1, min(width, height))  # a small map's size is rounded to whole samples
    ratio = (width / height) / (image_size[0] / image_size[1])
    if abs(ratio - 1) > ASPECT_TOLERANCE + rounding:
        raise InputError(
            f"{what} is {width}x{height} but its image is {image_size[0]}x{image_size[1]}: the shapes do not fit; "
            "give the depth map of this very image, uncropped and unrotated."
        )

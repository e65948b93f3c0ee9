"""The contract of every matcher: the stored features of two images in, one partner or none for each keypoint out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.registry import CheckedOptions, Part, options_tag

StoredFeatures = Mapping[str, Tensor]  # every dataset of one image in a features file, float32


@dataclass(frozen=True)
class MatcherOptions(CheckedOptions):
    """Options of every matcher: none."""


class Matcher(Part, ABC):
    """Base of the matchers. A subclass defines ``Options`` and ``_match``; this class checks what it returns."""

    kind = "matcher"

    def prepare(self, attributes: Mapping[str, object]) -> None:
        """Called once before the first pair, with the attributes of the features file."""

    def match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        """Match two images.

        Args:
            features0, features1: ``keypoints`` (N, 2), ``descriptors`` (D, N), ``image_size`` (2,), and whatever else
                the features file has; either image may have no keypoints.

        Returns:
            matches0 (N0,) int64, the index of the partner in image 1 or -1, and matching_scores0 (N0,) float32 in
            [0, 1]; both on the CPU.

        Raises:
            InputError: features that this matcher cannot use.
            TypeError: the matcher returned something else.
        """
        n0, n1 = len(features0["keypoints"]), len(features1["keypoints"])
        if 0 in (n0, n1):
            return torch.full((n0,), -1, dtype=torch.int64), torch.zeros(n0)
        with torch.inference_mode():
            matches0, scores0 = self._match(features0, features1)
        matches0, scores0 = matches0.long().cpu(), scores0.float().cpu()
        who = type(self).__name__
        if matches0.shape != (n0,) or scores0.shape != (n0,):
            raise TypeError(f"{who} must return {n0} partners and {n0} scores for {n0} keypoints")
        if int(matches0.min()) < -1 or int(matches0.max()) >= n1:
            raise TypeError(f"{who} returned a partner that is none of the {n1} keypoints of image 1")
        if not bool(torch.isfinite(scores0).all()):
            raise TypeError(f"{who} returned scores that are not finite")
        return matches0, scores0

    @abstractmethod
    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]: ...

    def tag(self) -> str:
        """A name for files: what decides the matches is in it."""
        return "-".join([self.file_name, *options_tag(self, ignored=("device",))])

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self.options).items() if k != "device"}

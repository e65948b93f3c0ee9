"""Mutual nearest neighbours of descriptors, with or without a ratio test."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.matching.base import ROUNDING, Matcher, MatcherOptions, StoredFeatures
from mickey_hloc.model.device import default_device
from mickey_hloc.model.matching import match_with_ratio_test, mutual_nearest_neighbours
from mickey_hloc.registry import require


@dataclass(frozen=True)
class NearestOptions(MatcherOptions):
    """Options of nearest neighbours.

    Attributes:
        max_ratio: best over second-best distance, in both directions; None: no ratio test.
    """

    max_ratio: float | None = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_ratio", self.max_ratio is None or 0 < self.max_ratio <= 1, "in (0, 1], or None")


class NearestNeighbourMatcher(Matcher):
    """For descriptors of unit length."""

    Options = NearestOptions
    needs = frozenset({"descriptors"})

    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        device = default_device()
        descriptors0, descriptors1 = (features["descriptors"].to(device) for features in (features0, features1))
        if self.options.max_ratio is None:
            matches, scores = mutual_nearest_neighbours(descriptors0.T @ descriptors1)
        else:
            matches, scores = match_with_ratio_test(descriptors0, descriptors1, self.options.max_ratio)
        if len(scores) and not float(scores.max()) <= 1 + ROUNDING:
            raise InputError(
                f"The matcher {self.name} is for descriptors of unit length, and these are longer: normalise them, or "
                "choose another matcher."
            )
        n0 = descriptors0.shape[1]
        matches, scores = matches.cpu(), scores.float().cpu()
        matches0, scores0 = torch.full((n0,), -1, dtype=torch.int64), torch.zeros(n0)
        matches0[matches[:, 0]], scores0[matches[:, 0]] = matches[:, 1], scores
        return matches0, scores0

"""Errors of whole depth maps that a pose estimate may correct: scales and shifts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class DepthModel:
    """True depth of view 0 = exp(-log_ratio / 2) d0 + shift0, of view 1 = exp(log_ratio / 2) d1 + shift1.

    The product of both scales is 1: two depth maps tell by how much they disagree, not which one is right.

    Attributes:
        log_ratio: scalar. shift0, shift1: scalars, metres.
        free_ratio, free_shifts: whether the refinement may change them.
        shift_sigma: metres, of a Gaussian prior that keeps shifts near 0.
    """

    log_ratio: float = 0.0
    shift0: float = 0.0
    shift1: float = 0.0
    free_ratio: bool = False
    free_shifts: bool = False
    shift_sigma: float = 0.2

    def apply(self, depths0: Tensor, depths1: Tensor) -> tuple[Tensor, Tensor]:
        """The corrected depths, metres."""
        return (
            depths0 * math.exp(-self.log_ratio / 2) + self.shift0,
            depths1 * math.exp(self.log_ratio / 2) + self.shift1,
        )

    def moved(self, delta: Tensor) -> DepthModel:
        """The model after a step (0 to 3,) of its free parameters: log_ratio, shift0, shift1."""
        values = delta.tolist()
        ratio = values.pop(0) if self.free_ratio else 0.0
        shift0, shift1 = values if self.free_shifts else (0.0, 0.0)
        return replace(
            self,
            log_ratio=self.log_ratio + ratio,
            shift0=self.shift0 + shift0,
            shift1=self.shift1 + shift1,
        )

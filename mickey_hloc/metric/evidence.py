"""Evidence for the scale of a model: each alone, all together, and what contradicts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964  # standard deviations that hold 95 % of a normal distribution
# Two pieces disagree beyond this many standard deviations of their difference: 1 in 100 true pairs does.
DISAGREE_STDS = 2.58
WEAK_SHARE = 0.6  # an interval that reaches further up is no scale


@dataclass(frozen=True)
class ScaleEvidence:
    """What one source says of the scale.

    Attributes:
        kind: "depth", "known length", "known distance", "positions" or "rig".
        what: which one, for messages.
        log_scale: natural logarithm of metres per unit of the model.
        log_std: standard deviation of it, such that 1.96 of them are its 95 % interval.
        detail: what stands behind it, in words.
        weakness: why it is no evidence on its own; empty where it is.
        contradiction: what in it does not fit the model; empty where all does.
    """

    kind: str
    what: str
    log_scale: float
    log_std: float
    detail: str = ""
    weakness: str = ""
    contradiction: str = ""

    @property
    def scale(self) -> float:
        """Metres per unit of the model."""
        return math.exp(self.log_scale)

    @property
    def interval_95(self) -> tuple[float, float]:
        """Metres per unit of the model."""
        return math.exp(self.log_scale - Z95 * self.log_std), math.exp(self.log_scale + Z95 * self.log_std)

    def __str__(self) -> str:
        return f"{self.kind} {self.what}".strip()


@dataclass(frozen=True)
class MetricScale:
    """The scale of a model.

    Attributes:
        scale: metres per unit of the model.
        interval_95: of it.
        evidence: what it comes from.
        residuals: of each evidence, its scale over the common one, minus 1.
        disagreements: a sentence for each two pieces of evidence that contradict each other, or the model.
        weakness: why this is too little to go by; empty where it is not.
    """

    scale: float
    interval_95: tuple[float, float]
    evidence: tuple[ScaleEvidence, ...]
    residuals: tuple[float, ...]
    disagreements: tuple[str, ...]
    weakness: str

    @property
    def relative_std(self) -> float:
        """Standard deviation of the scale, as a share of it."""
        return math.log(self.interval_95[1] / self.interval_95[0]) / (2 * Z95)


def combine(evidence: Sequence[ScaleEvidence]) -> MetricScale:
    """The mean of the log-scales, each by the inverse of its variance.

    Where pieces contradict, the interval is widened by what they scatter too much (Birge, Physical Review 1932).

    Raises:
        ValueError: no evidence.
    """
    if not evidence:
        raise ValueError("a scale needs evidence")
    weights = [1.0 / max(e.log_std, 1e-6) ** 2 for e in evidence]
    mean = sum(w * e.log_scale for w, e in zip(weights, evidence, strict=True)) / sum(weights)
    std = math.sqrt(1.0 / sum(weights))
    scatter = sum(w * (e.log_scale - mean) ** 2 for w, e in zip(weights, evidence, strict=True))
    if len(evidence) > 1:
        std *= math.sqrt(max(scatter / (len(evidence) - 1), 1.0))
    interval = (math.exp(mean - Z95 * std), math.exp(mean + Z95 * std))
    residuals = tuple(math.expm1(e.log_scale - mean) for e in evidence)
    return MetricScale(
        math.exp(mean), interval, tuple(evidence), residuals, _disagreements(evidence), _weakness(evidence, std)
    )


def _disagreements(evidence: Sequence[ScaleEvidence]) -> tuple[str, ...]:
    found = [e.contradiction for e in evidence if e.contradiction]
    for a, b in itertools.combinations(evidence, 2):
        apart = abs(a.log_scale - b.log_scale)
        stds = apart / max(math.hypot(a.log_std, b.log_std), 1e-6)
        if stds > DISAGREE_STDS:
            found.append(
                f"{a} says {a.scale:.5g} and {b} says {b.scale:.5g} metres per unit: {math.expm1(apart):.1%} apart, "
                f"{stds:.1f} standard deviations"
            )
    return tuple(found)


def _weakness(evidence: Sequence[ScaleEvidence], std: float) -> str:
    if all(e.weakness for e in evidence):
        return "; ".join(e.weakness for e in evidence)
    share = math.expm1(Z95 * std)
    if share > WEAK_SHARE:
        return f"the 95 % interval reaches {share:.0%} up and {-math.expm1(-Z95 * std):.0%} down"
    return ""

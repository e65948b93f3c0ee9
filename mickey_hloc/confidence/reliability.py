"""How honest probabilities are: reliability diagram, expected calibration error, and what a threshold keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReliabilityBin:
    """Attributes: low, high: of the probability. count: estimates. predicted: their mean probability. right: share."""

    low: float
    high: float
    count: int
    predicted: float
    right: float


def reliability_diagram(probabilities: np.ndarray, correct: np.ndarray, num_bins: int = 10) -> list[ReliabilityBin]:
    """Bins of equal width over [0, 1], those with estimates in them.

    Args:
        probabilities: (N,) in [0, 1]. correct: (N,) bool.
    """
    edges = np.linspace(0, 1, num_bins + 1)
    place = np.clip(np.digitize(probabilities, edges) - 1, 0, num_bins - 1)
    return [
        ReliabilityBin(
            float(edges[b]),
            float(edges[b + 1]),
            int((place == b).sum()),
            float(probabilities[place == b].mean()),
            float(correct[place == b].mean()),
        )
        for b in range(num_bins)
        if (place == b).any()
    ]


def expected_calibration_error(probabilities: np.ndarray, correct: np.ndarray, num_bins: int = 10) -> float:
    """Mean over all estimates of |predicted - right| of their bin."""
    bins = reliability_diagram(probabilities, correct, num_bins)
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.predicted - b.right) for b in bins) / total if total else 0.0


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a statistic is larger for a positive than for a negative; ties count half."""
    both = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = len(positive)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(negative)))


def kept_share(positive: np.ndarray, negative: np.ndarray, max_false_share: float = 0.01) -> float:
    """Share of the positives above the threshold that lets no more than a given share of the negatives pass."""
    return float((positive > np.quantile(negative, 1 - max_false_share, method="higher")).mean())

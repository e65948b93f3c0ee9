"""Averages that single wild values do not move, and quantiles of Student's t: pure functions of arrays."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

MAD_TO_STD = 1.4826  # of normally distributed values
MEDIAN_TO_MEAN = math.pi / 2  # variance of the median over that of the mean
OUTLIER_STDS = 4.0


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Medians of sorted values under many sets of weights.

    Args:
        values: (N,) ascending.
        weights: (..., N), >= 0.

    Returns:
        (...,); NaN where all weights are 0.

    Example:
        >>> weighted_median(np.array([1.0, 2.0, 5.0]), np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 3.0]])).tolist()
        [2.0, 5.0]
    """
    below = np.cumsum(weights, axis=-1)
    total = below[..., -1:]
    # Where half of the weight ends exactly between two values, both count.
    low = np.argmax(below >= 0.5 * total * (1 - 1e-12), axis=-1)
    high = np.argmax(below > 0.5 * total * (1 + 1e-12), axis=-1)
    return np.where(total[..., 0] > 0, 0.5 * (values[low] + values[high]), np.nan)


def spread(values: np.ndarray) -> float:
    """Standard deviation of the bulk of (N,) values, from the median of their distances to the median."""
    return MAD_TO_STD * float(np.median(np.abs(values - np.median(values))))


def between_variance(means: np.ndarray, variances: np.ndarray) -> float:
    """How much means (N,) differ beyond their own variances (N,): the variance between groups of Paule and Mandel 1982.

    It is the t >= 0 at which sum (m - mean)^2 / (v + t) equals N - 1.
    """

    def excess(between: float) -> float:
        weights = 1.0 / (variances + between)
        mean = (weights * means).sum() / weights.sum()
        return float((weights * (means - mean) ** 2).sum()) - (len(means) - 1)

    high = float(np.var(means)) * 2 + 1e-12
    if len(means) < 2 or excess(1e-18) <= 0:
        return 0.0
    while excess(high) > 0:
        high *= 2
    low = 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def outliers(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """(N,) bool: which means stand more than four standard deviations off the others; none among fewer than four."""
    if len(means) < 4:
        return np.zeros(len(means), dtype=bool)
    between = max(spread(means), 1e-6)
    return np.abs(means - np.median(means)) > OUTLIER_STDS * np.sqrt(between**2 + variances)


def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t, exact for 1 and 2 degrees of freedom, else to 1 % by Cornish and Fisher's expansion.

    Source: Abramowitz and Stegun, 26.7.5.

    Example:
        >>> [round(t_quantile(0.975, degrees), 2) for degrees in (1, 2, 4, 10, 100)]
        [12.71, 4.3, 2.78, 2.23, 1.98]
    """
    if degrees < 2:
        return math.tan(math.pi * (probability - 0.5))
    if degrees < 3:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    z, n = NormalDist().inv_cdf(probability), degrees
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, start=1))

"""From evidence to the numbers that a calibration weighs; each grows with what speaks for a pose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mickey_hloc.geometry.evidence import Evidence


def _log_share(part: float, whole: float) -> float:
    return math.log((part + 0.5) / (whole + 1.0))


def _beyond_minimal(count: float, evidence: Evidence) -> float:
    """Correspondences beyond those that define the pose and agree with it anyway."""
    return max(count - evidence.minimal, 0.0)


def _minus_log(value: float, low: float, high: float) -> float:
    return -math.log(min(max(value, low), high))


def _log_of_nfa(log10_nfa: float) -> float:
    return math.log1p(min(max(-log10_nfa, 0.0), 1e4))


FEATURES: dict[str, Callable[[Evidence], float]] = {
    "log_probability_sum": lambda e: math.log1p(e.probability_sum),
    "log_probability_total": lambda e: math.log1p(e.probability_total),
    "log_inliers": lambda e: math.log1p(_beyond_minimal(e.num_inliers, e)),
    "log_inlier_share": lambda e: _log_share(
        _beyond_minimal(e.num_inliers, e), _beyond_minimal(e.num_correspondences, e)
    ),
    "log_probability_share": lambda e: _log_share(e.probability_sum, e.probability_total),
    "log_pixel_inliers": lambda e: math.log1p(e.pixel_inliers),
    "log_pixel_probability": lambda e: math.log1p(e.pixel_probability),
    "log_pixel_share": lambda e: _log_share(e.pixel_inliers, e.num_correspondences),
    "reprojection": lambda e: _minus_log(e.reprojection_error, 1e-3, 0.1),
    "epipolar": lambda e: _minus_log(e.epipolar_error, 3e-4, 0.03),
    "depth_agreement": lambda e: _minus_log(e.depth_disagreement, 5e-3, 1.0),
    "depth_scales": lambda e: -min(e.depth_log_ratio, 2.0),
    "certainty": lambda e: _minus_log(e.vcre_std, 0.01, 10.0),
    "rotation_certainty": lambda e: _minus_log(e.rotation_std_deg, 0.05, 20.0),
    "spread": lambda e: e.spread,
    "local_chance": lambda e: _log_of_nfa(e.local_log10_nfa),
    "chance": lambda e: _log_of_nfa(e.log10_nfa),
}


def feature_vector(evidence: Evidence, names: tuple[str, ...]) -> np.ndarray:
    """(F,) float64, finite whatever the evidence is."""
    return np.array([FEATURES[name](evidence) for name in names])

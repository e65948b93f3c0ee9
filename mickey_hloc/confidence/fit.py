"""Fitting a calibration to poses whose truth is known: pairs of one place with their true pose, and unrelated pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mickey_hloc.confidence.calibration import Calibration, Logistic
from mickey_hloc.confidence.features import feature_vector
from mickey_hloc.confidence.uncertainty import PoseError, fit_uncertainty
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.evidence import Evidence

CORRECT_FEATURES = (
    "log_probability_sum",
    "log_probability_total",
    "log_inliers",
    "log_inlier_share",
    "depth_scales",
    "certainty",
    "chance",
    "local_chance",
)
SUPPORT_FEATURES = (
    "log_probability_sum",
    "log_probability_total",
    "log_inliers",
    "log_inlier_share",
    "log_pixel_probability",
    "chance",
)


@dataclass(frozen=True)
class Judgement:
    """One estimate and the truth about it.

    Attributes:
        evidence: the estimate's.
        is_correct: its VCRE is below 10 % of the image diagonal.
        is_unrelated: the two photos show different places; then nothing is correct.
        error: of the pose, where there is a truth and an estimate.
    """

    evidence: Evidence
    is_correct: bool
    is_unrelated: bool
    error: PoseError | None = None


@dataclass(frozen=True)
class FitOptions:
    """How a calibration is fitted.

    Attributes:
        correct_features, support_features: what the two models weigh.
        ridge: strength of the prior that keeps weights small, in pairs.
        unrelated_share: weight of all unrelated pairs together, as a share of all weight.
        max_false_share: the threshold lets at most this share of the unrelated pairs pass.
        min_kept_share: where this share of the right poses passes a higher threshold too, the threshold lies a quarter
            of the way there: a gap between unrelated and right poses is a margin for the former.
        least_rotation_std_deg: standard deviations of the rotation up to this are accepted in any case, larger ones as
            far as ``min_kept_share`` of the right poses have them.
    """

    correct_features: tuple[str, ...] = CORRECT_FEATURES
    support_features: tuple[str, ...] = SUPPORT_FEATURES
    ridge: float = 1.0
    unrelated_share: float = 0.5
    max_false_share: float = 0.004
    min_kept_share: float = 0.995
    least_rotation_std_deg: float = 2.0


def fit_calibration(
    table: Sequence[Judgement], fitted_on: str, options: FitOptions | None = None, note: str = ""
) -> Calibration:
    """The two models, the threshold and the uncertainty that suit a table of judged estimates.

    The uncertainty is that of right estimates; how probable it is that an estimate is right, its confidence says.

    Args:
        table: at least 20 correct estimates and 20 of unrelated pairs.
        fitted_on: the data, in words.

    Raises:
        InputError: too few estimates of either kind.
    """
    o = options or FitOptions()
    correct = np.array([row.is_correct for row in table], dtype=bool)
    unrelated = np.array([row.is_unrelated for row in table], dtype=bool)
    if correct.sum() < 20 or unrelated.sum() < 20:
        raise InputError(
            f"A calibration needs at least 20 correct estimates and 20 of unrelated pairs, got {int(correct.sum())} "
            f"and {int(unrelated.sum())}; give more pairs."
        )
    clear = correct | unrelated  # a wrong pose of related photos has a support of its own
    rows = [row.evidence for row, keep in zip(table, clear, strict=True) if keep]
    support = _fit(rows, correct[clear], _importance(unrelated[clear], 0.5), o.support_features, o.ridge)
    model = _fit(
        [row.evidence for row in table], correct, _importance(unrelated, o.unrelated_share), o.correct_features, o.ridge
    )
    logits = np.array([support.logit(row.evidence) for row in table])
    safe = np.quantile(logits[unrelated], 1 - o.max_false_share, method="higher") + 1e-9
    enough = np.quantile(logits[correct], 1 - o.min_kept_share)
    min_support = float(max(safe, 0.75 * safe + 0.25 * enough))
    return Calibration(
        correct=model,
        support=support,
        min_support=min_support,
        uncertainty=fit_uncertainty([row.error for row in table if row.is_correct and row.error is not None]),
        max_rotation_std_deg=_rotation_limit(table, o),
        fitted_on=fitted_on,
        note=note,
    )


def _rotation_limit(table: Sequence[Judgement], o: FitOptions) -> float:
    stds = np.array([row.evidence.rotation_std_deg for row in table if row.is_correct])
    finite = stds[np.isfinite(stds)]
    return (
        max(float(np.quantile(finite, o.min_kept_share)), o.least_rotation_std_deg)
        if len(finite)
        else o.least_rotation_std_deg
    )


def _importance(unrelated: np.ndarray, unrelated_share: float) -> np.ndarray:
    """(N,) weights of estimates: the unrelated ones together have their share; they sum to N."""
    share = np.where(unrelated, unrelated_share / unrelated.sum(), (1 - unrelated_share) / (~unrelated).sum())
    return share * len(unrelated)


def _fit(
    evidence: Sequence[Evidence], labels: np.ndarray, importance: np.ndarray, names: tuple[str, ...], ridge: float
) -> Logistic:
    values = np.array([feature_vector(row, names) for row in evidence])
    means = np.average(values, axis=0, weights=importance)
    scales = np.sqrt(np.average((values - means) ** 2, axis=0, weights=importance)).clip(1e-6)
    weights, bias = fit_logistic((values - means) / scales, labels, importance, ridge)
    return Logistic(names, tuple(means.tolist()), tuple(scales.tolist()), tuple(weights.tolist()), bias)


def fit_logistic(
    values: np.ndarray, labels: np.ndarray, importance: np.ndarray, ridge: float, steps: int = 4000
) -> tuple[np.ndarray, float]:
    """Logistic regression with weights >= 0, by accelerated projected gradients.

    Args:
        values: (N, F), each column of mean 0 and deviation 1. labels: (N,) bool. importance: (N,) > 0.
        ridge: added cost ridge / 2 |weights|^2.

    Returns:
        weights (F,) and bias.
    """
    design = np.column_stack([values, np.ones(len(values))])
    penalty = np.r_[np.full(values.shape[1], ridge), 0.0]
    curvature = 0.25 * np.linalg.norm((design * importance[:, None]).T @ design, 2) + ridge
    current = ahead = np.zeros(design.shape[1])
    momentum = 1.0
    for _ in range(steps):
        logits = np.clip(design @ ahead, -500, 500)
        gradient = design.T @ (importance * (1 / (1 + np.exp(-logits)) - labels)) + penalty * ahead
        moved = ahead - gradient / curvature
        moved[:-1] = moved[:-1].clip(0)
        next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / next_momentum * (moved - current)
        current, momentum = moved, next_momentum
    return current[:-1], float(current[-1])

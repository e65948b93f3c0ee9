"""From the parts of a pose's covariance to the covariance, and fitting how the parts add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import CovarianceParts

CHI2_6_68, CHI2_6_95 = 7.0056, 12.5916  # quantiles of chi squared with 6 degrees of freedom
_TAILS = 5.0  # degrees of freedom of the Student's distribution that is fitted: some errors are far larger than most
_MIN_ROWS = 20


@dataclass(frozen=True)
class UncertaintyModel:
    """How the parts of a covariance add up, for one feature family, depth and solver, where the pose is right.

    Attributes:
        residual: variance of the part from the residuals, for a pose with one inlier.
        correlation: it grows with this power of the number of inliers: 0 where every match has errors of its own, 1
            where more matches do not help, as their errors are the same.
        depth_scale: standard deviation of the logarithm of a depth map's scale, of each map for itself.
        common_scale: the same, of what is wrong in both maps alike.
        squared_68: d^T C^-1 d that 68 % of errors d stay below. The covariance C is scaled for 95 % to stay below 12.6,
            as of a Gaussian; as the tails are heavier than its, fewer than its 7.0 are needed for 68 %.
        distance_68, distance_95: half-widths of the intervals of the distance, in its standard deviations.
    """

    residual: float = 1.0
    correlation: float = 0.0
    depth_scale: float = 0.0
    common_scale: float = 0.0
    squared_68: float = CHI2_6_68
    distance_68: float = 1.0
    distance_95: float = 1.96

    def __post_init__(self) -> None:
        numbers = [self.residual, self.correlation, self.depth_scale, self.common_scale]
        widths = [self.squared_68, self.distance_68, self.distance_95]
        if not np.isfinite([*numbers, *widths]).all() or min(self.residual, *widths) <= 0 or min(numbers) < 0:
            raise InputError("An uncertainty has numbers that are not finite, below 0, or widths of 0.")

    def covariance(self, parts: CovarianceParts, num_inliers: float) -> np.ndarray:
        """(6, 6) covariance of a pose; infinite where the pose is not determined."""
        return parts.combined(self.residual_std(num_inliers) ** 2, self.depth_scale**2, self.common_scale**2)

    def residual_std(self, num_inliers: float) -> float:
        """What standard deviations by the residuals alone are multiplied by."""
        return math.sqrt(self.residual * max(num_inliers, 1.0) ** self.correlation)


@dataclass(frozen=True, eq=False)
class PoseError:
    """The error of one estimate, and what was predicted about it.

    Attributes:
        delta: (6,) that turns and shifts the estimate to the truth, radians and metres, see ``RelativePose``.
        parts: of its covariance. num_inliers: of the estimate.
        direction: (3,) unit vector of the estimate's translation.
        distance_m: estimated minus true distance.
    """

    delta: np.ndarray
    parts: CovarianceParts
    num_inliers: float
    direction: np.ndarray
    distance_m: float


def squared_errors(model: UncertaintyModel, errors: Sequence[PoseError]) -> np.ndarray:
    """(N,) d^T C^-1 d of the errors d under their covariance C: chi squared where the model is right."""
    C = np.array([model.covariance(e.parts, e.num_inliers) for e in errors])
    return _squared(C, np.array([e.delta for e in errors]))


def distance_sigmas(model: UncertaintyModel, errors: Sequence[PoseError]) -> np.ndarray:
    """(N,) errors of the distance in standard deviations."""
    stds = [math.sqrt(e.direction @ model.covariance(e.parts, e.num_inliers)[3:, 3:] @ e.direction) for e in errors]
    return np.array([e.distance_m for e in errors]) / np.maximum(stds, 1e-12)


def fit_uncertainty(errors: Sequence[PoseError]) -> UncertaintyModel:
    """The model under which errors are most probable, widened or narrowed to hold 95 % of them.

    Args:
        errors: of estimates that are right; those with a covariance count. The default model for fewer than 20.
    """
    known = [e for e in errors if np.isfinite(e.parts.residual).all() and np.isfinite(e.delta).all()]
    known = [e for e in known if np.linalg.eigvalsh(e.parts.residual)[0] > 0]
    if len(known) < _MIN_ROWS:
        return UncertaintyModel()
    parts = [np.array([getattr(e.parts, k) for e in known]) for k in ("residual", "depth_scales", "common_scale")]
    deltas, counts = np.array([e.delta for e in known]), np.array([max(e.num_inliers, 1.0) for e in known])

    def cost(x: np.ndarray) -> float:
        factor = np.exp(x[0]) * (counts / counts.mean()) ** x[1]
        C = factor[:, None, None] * parts[0] + np.exp(2 * x[2]) * parts[1] + np.exp(2 * x[3]) * parts[2]
        squared = _squared(C, deltas)
        return float((0.5 * np.linalg.slogdet(C)[1] + (_TAILS + 6) / 2 * np.log1p(squared / _TAILS)).mean())

    start = np.array([math.log(np.median(_squared(parts[0], deltas)) / 5.35), 0.0, math.log(0.05), math.log(0.05)])
    low, high = np.array([-10.0, 0.0, math.log(1e-3), math.log(1e-3)]), np.array([30.0, 1.0, 0.0, 0.0])
    x = _pattern_search(cost, start.clip(low, high), low, high)
    model = UncertaintyModel(
        residual=float(math.exp(x[0]) * counts.mean() ** -x[1]),
        correlation=float(x[1]),
        depth_scale=math.exp(x[2]),
        common_scale=math.exp(x[3]),
    )
    return _covering(model, known)


def _covering(model: UncertaintyModel, errors: Sequence[PoseError]) -> UncertaintyModel:
    """The model times the factor that makes its 95 % region hold that many, with what holds 68 %."""
    squared = squared_errors(model, errors)
    factor = float(np.quantile(squared, 0.95)) / CHI2_6_95
    root = math.sqrt(factor)
    scaled = replace(
        model,
        residual=model.residual * factor,
        depth_scale=model.depth_scale * root,
        common_scale=model.common_scale * root,
        squared_68=float(np.quantile(squared, 0.68)) / factor,
    )
    halves = np.quantile(np.abs(distance_sigmas(scaled, errors)), [0.68, 0.95]).clip(1e-3)
    return replace(scaled, distance_68=float(halves[0]), distance_95=float(halves[1]))


def _squared(C: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ni->n", deltas, np.linalg.solve(C, deltas[..., None])[..., 0])


def _pattern_search(
    cost: Callable[[np.ndarray], float], x: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """A local minimum inside a box, by steps along the axes that shrink (Hooke and Jeeves, 1961)."""
    best, step = cost(x), np.array([1.0, 0.2, 0.5, 0.5])
    while step[0] > 0.02:
        moved = False
        for axis in range(len(x)):
            for sign in (1.0, -1.0):
                trial = x.copy()
                trial[axis] = np.clip(x[axis] + sign * step[axis], low[axis], high[axis])
                value = cost(trial)
                if value < best - 1e-9:
                    x, best, moved = trial, value, True
                    break
        if not moved:
            step = step / 2
    return x

"""Pose hypotheses from sets of 3D-3D correspondences: refined without gradient, solved once more with it.

All hypotheses of all sets are solved together. A hypothesis is a mask over its set's correspondences, so that the sums
which Kabsch needs are one matrix product of masks and points, and nothing is copied per hypothesis.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mickey_hloc.geometry.rigid import nearest_rotation

# Least (s1 + s2)(s1 + s3)(s2 + s3) / |M|^3, with s the singular values of the covariance (the last one signed), for
# which a rotation counts as determined. Collinear points give 0; 1e-8 is a spread of 0.1 mm across per metre along.
MIN_DETERMINACY = 1e-8


class Hypotheses(NamedTuple):
    """Refined poses of each set.

    Attributes:
        R, t: (S, J, 3, 3) and (S, J, 3) cam1_from_cam0, metres; with gradient on the points.
        valid: (S, J) bool; False = drawn from too few or unusable correspondences, or a singular solve.
        support: (S, J, k) bool, the correspondences that the last solve used.
    """

    R: Tensor
    t: Tensor
    valid: Tensor
    support: Tensor


def solve_masked(X: Tensor, Y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Kabsch (MicKey section 3.1.2) for every mask over its set's correspondences.

    The sums run in float64: covariances here are differences of large sums.

    Args:
        X, Y: (S, k, 3) points of camera 0 and camera 1, metres, finite.
        mask: (S, J, k) bool.

    Returns:
        R (S, J, 3, 3) and t (S, J, 3): cam1_from_cam0 in the points' dtype; (S, J) bool, True where the rotation is
        determined.
    """
    X64, Y64, weights = X.double(), Y.double(), mask.double()
    weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=1.0)
    mean_X, mean_Y = weights @ X64, weights @ Y64
    products = (Y64[..., :, None] * X64[..., None, :]).flatten(-2)
    M = (weights @ products).unflatten(-1, (3, 3)) - mean_Y[..., :, None] * mean_X[..., None, :]
    R = nearest_rotation(M)
    t = mean_Y - (R @ mean_X[..., None])[..., 0]
    return R.to(X), t.to(X), _is_determined(M.detach(), R.detach())


def _is_determined(M: Tensor, R: Tensor) -> Tensor:
    """Covariances (..., 3, 3) and their rotations -> (...) bool: the best rotation is unique, not a matter of rounding.

    The symmetric S = R^T M has the eigenvalues s1 >= s2 >= |s3|, and the rotation is unique when s2 + s3 > 0. The
    product of the pairwise sums follows from the invariants of S, without another decomposition.
    """
    trace = (R * M).sum(dim=(-2, -1))
    frobenius = torch.linalg.matrix_norm(M)
    pairs = 0.5 * (trace.square() - frobenius.square())  # s1 s2 + s1 s3 + s2 s3
    det = (M[..., 0, :] * torch.linalg.cross(M[..., 1, :], M[..., 2, :])).sum(dim=-1)
    determinacy = (trace * pairs - det) / frobenius.pow(3).clamp(min=torch.finfo(M.dtype).tiny)
    return torch.isfinite(determinacy) & (determinacy > MIN_DETERMINACY)


def squared_residuals(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """|R X + t - Y|^2 of every hypothesis on its set, in square metres.

    Args:
        R, t: (S, J, 3, 3) and (S, J, 3). X, Y: (S, k, 3).

    Returns:
        (S, J, k).
    """
    rotated = torch.einsum("sjmn,skn->sjkm", R, X)
    return (rotated + t[:, :, None] - Y[:, None]).square().sum(dim=-1)


def refined_hypotheses(
    X: Tensor, Y: Tensor, usable: Tensor, minimal: Tensor, inlier_threshold_m: float, refinements: int
) -> Hypotheses:
    """Refine each hypothesis on its inliers, then solve its best support once more with gradient.

    A hypothesis starts from ``n`` correspondences; while the number of inliers grows (it must first exceed ``n``), they
    become the next support. The support that gave the best pose is solved with gradient (MicKey section 3.1).

    Args:
        X, Y: (S, k, 3) points of camera 0 and camera 1, metres, finite.
        usable: (S, k) bool; the others are never inliers.
        minimal: (S, J, n) int64, the first correspondences of each hypothesis.
        inlier_threshold_m: metres.
        refinements: how often at most, >= 0.

    Returns:
        The hypotheses; gradient flows to X and Y through the last solve only.
    """
    with torch.no_grad():
        start = torch.zeros(*minimal.shape[:2], X.shape[1], dtype=torch.bool, device=X.device)
        start.scatter_(-1, minimal, True)
        support, current = start, start
        most = torch.full(minimal.shape[:2], minimal.shape[-1], dtype=torch.int64, device=X.device)
        growing = torch.ones_like(most, dtype=torch.bool)
        for _ in range(refinements):
            R, t, _determined = solve_masked(X, Y, current)
            inliers = (squared_residuals(R, t, X, Y) < inlier_threshold_m**2) & usable[:, None]
            count = inliers.sum(dim=-1)
            growing = growing & (count > most)
            if not bool(growing.any()):
                break
            support = torch.where(growing[..., None], current, support)
            most = torch.where(growing, count, most)
            current = torch.where(growing[..., None], inliers, current)
    R, t, determined = solve_masked(X, Y, support)
    drawn_usable = torch.gather(usable[:, None].expand(-1, minimal.shape[1], -1), -1, minimal).all(dim=-1)
    return Hypotheses(R, t, determined & drawn_usable, support)


def soft_inlier_counts(
    R: Tensor, t: Tensor, X: Tensor, Y: Tensor, usable: Tensor, threshold_m: float, steepness: float = 5.0
) -> Tensor:
    """Soft inlier count: sum over the set of sigmoid(steepness / t * (t - r)), r the 3-D residual (MicKey Eq. 5).

    Args:
        R, t: (S, J, 3, 3) and (S, J, 3) cam1_from_cam0, metres.
        X, Y: (S, k, 3) metres.
        usable: (S, k) bool; the others count nothing.
        threshold_m: residual that counts half, metres.
        steepness: of the sigmoid.

    Returns:
        (S, J) in [0, k].
    """
    residuals = (squared_residuals(R, t, X, Y) + 1e-6).sqrt()
    soft = torch.sigmoid(steepness / threshold_m * (threshold_m - residuals))
    return (soft * usable[:, None]).sum(dim=-1)


def best_hypotheses(
    hypotheses: Hypotheses, scores: Tensor, valid: Tensor, usable: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The hypothesis with the highest score of each pair, without gradient.

    Args:
        hypotheses: of shape (B, Q, J). scores: (B, Q, J). valid: (B, Q, J) bool. usable: (B, Q, k) bool.

    Returns:
        R (B, 3, 3), t (B, 3) metres and its score as a share of its set's usable correspondences (B,); NaN if none.
    """
    num_hypotheses = scores.shape[-1]
    score, best = torch.where(valid, scores, -torch.inf).flatten(1).max(dim=-1)
    pair = torch.arange(len(best), device=best.device)
    none = ~torch.isfinite(score)
    R = hypotheses.R.detach().flatten(1, 2)[pair, best].masked_fill(none[:, None, None], torch.nan)
    t = hypotheses.t.detach().flatten(1, 2)[pair, best].masked_fill(none[:, None], torch.nan)
    count = usable.sum(dim=-1)[pair, best // num_hypotheses].clamp(min=1)
    return R, t, (score / count).masked_fill(none, torch.nan)

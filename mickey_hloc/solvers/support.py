"""Whether a pose is supported by its correspondences, and how confident that makes us. Shared by all solvers.

Three questions are asked of a pose, in this order: does it have enough inliers at all, do its inliers determine the
rotation, and could wrong correspondences agree with it as well? The last one is the a-contrario test of Moisan and
Stival, "A probabilistic criterion to detect rigid point matches between two images", IJCV 2004, with the chance rate
measured on the pair itself: keypoints of one correspondence are paired with those of another, and we count how often
such wrong pairs agree with the pose.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.solvers.base import PoseProblem, RelativePose

Residual = Callable[[Tensor], Tensor]  # (P, 2) keypoint indices -> (P,) residuals, NaN or inf where undefined

_WILSON_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True)
class SupportOptions:
    """When a solver claims a pose; the Options of every solver inherit these.

    Attributes:
        min_inliers: fewer distinct inliers than this are a failure.
        max_log10_nfa: the expected number of equally supported poses among wrong correspondences is at most
            10^max_log10_nfa; 0 would accept one false pose per unrelated pair, +inf switches the test off.
        max_rotation_std_deg: a larger predicted standard deviation of the rotation, about its least certain axis, is a
            failure (inliers on a line or in one spot).
        distinct_px: inliers closer than about this in an image are one piece of evidence, not several.
        chance_pairs: at most so many wrong pairs are drawn to measure the chance rate.
    """

    min_inliers: int = 6
    max_log10_nfa: float = -2.0
    max_rotation_std_deg: float = 10.0
    distinct_px: float = 4.0
    chance_pairs: int = 200_000

    def __post_init__(self) -> None:
        require(self, "min_inliers", self.min_inliers >= 1, "at least 1")
        require(self, "max_rotation_std_deg", self.max_rotation_std_deg > 0, "positive")
        require(self, "distinct_px", self.distinct_px > 0, "positive")
        require(self, "chance_pairs", self.chance_pairs >= 1, "at least 1")
        require(self, "max_log10_nfa", not math.isnan(self.max_log10_nfa), "a number")


def require(options: object, name: str, holds: bool, what: str) -> None:
    """Raise an InputError unless an option is what it must be.

    Raises:
        InputError: ``holds`` is false.
    """
    if not holds:
        raise InputError(f"Option {name} must be {what}, got {getattr(options, name)!r}.")


def soft_inlier_count(residuals: Tensor, threshold: float, dim: int = -1) -> Tensor:
    """Sum of sigmoid(5/t (t - r)) over ``dim`` (MicKey section 3.1.2); differentiable. NaN residuals count 0."""
    return torch.sigmoid((5.0 / threshold) * (threshold - residuals)).nan_to_num(nan=0.0).sum(dim=dim)


def wilson_lower_bound(successes: float, trials: float, z: float = _WILSON_Z) -> float:
    """Lower end of the Wilson score interval of a share; 0 without trials."""
    if trials <= 0:
        return 0.0
    share = min(max(successes / trials, 0.0), 1.0)
    z2 = z * z / trials
    centre = share + z2 / 2
    half_width = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    return max((centre - half_width) / (1 + z2), 0.0)


def _log10_binomial(n: float, k: float) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)


def log10_false_alarms(num_inliers: float, num_correspondences: float, minimal: int, chance_rate: float) -> float:
    """log10 NFA = log10[(M - m) C(M, k) C(k, m) alpha^(k - m)]: expected number of poses with k inliers by chance.

    Args:
        num_inliers: k. num_correspondences: M >= k. minimal: m, the size of a minimal set.
        chance_rate: alpha, the rate at which a wrong correspondence agrees with the pose.

    Returns:
        inf when k <= m: a minimal set always agrees with its own pose.
    """
    k, total = float(num_inliers), float(num_correspondences)
    if k <= minimal or total <= minimal:
        return math.inf
    tests = math.log10(total - minimal) + _log10_binomial(total, k) + _log10_binomial(k, minimal)
    return tests + (k - minimal) * math.log10(chance_rate)


def wrong_pairs(correspondences: Tensor, generator: torch.Generator, max_pairs: int) -> Tensor:
    """Pairs of keypoints that the matcher did not match, from the keypoints that it did match.

    Args:
        correspondences: (M, 2) int64.
        generator: draws the pairs where there are more than ``max_pairs``.

    Returns:
        (P, 2) int64, P <= max_pairs: keypoint 0 of one correspondence with keypoint 1 of another.
    """
    M = len(correspondences)
    device = correspondences.device
    if max_pairs >= M * M:
        a, b = torch.meshgrid(torch.arange(M, device=device), torch.arange(M, device=device), indexing="ij")
        a, b = a.flatten(), b.flatten()
    else:
        a = torch.randint(M, (max_pairs,), generator=generator, device=device)
        b = torch.randint(M, (max_pairs,), generator=generator, device=device)
    pairs = torch.stack([correspondences[a, 0], correspondences[b, 1]], dim=-1)
    stride = int(correspondences[:, 1].max()) + 1 if M else 1
    matched = torch.isin(pairs[:, 0] * stride + pairs[:, 1], correspondences[:, 0] * stride + correspondences[:, 1])
    return pairs[~matched]


def num_distinct(problem: PoseProblem, correspondences: Tensor, cell_px: float) -> int:
    """How many cells of ``cell_px`` the keypoints of correspondences (M, 2) fill, where they fill fewer.

    The same corner detected twice, or neighbouring pixels of a dense matcher, agree with each other right or wrong.
    """
    counts = []
    for side, view in enumerate((problem.view0, problem.view1)):
        cells = torch.floor(view.keypoints[correspondences[:, side]] / cell_px)
        counts.append(len(torch.unique(cells, dim=0)))
    return min(counts)


def rotation_std_deg(points: Tensor, residuals_m: Tensor) -> float:
    """Predicted standard deviation of the rotation about its least certain axis.

    Args:
        points: (k, 3) metres, inliers in one camera frame.
        residuals_m: (k,) metres.

    Returns:
        Degrees; inf when the points lie on a line or in one spot, whatever the residuals are.
    """
    k = len(points)
    if k < 3:
        return math.inf
    points = points.double()
    along, second, third = torch.linalg.svdvals(points - points.mean(dim=0)).tolist()
    across = math.hypot(second, third)  # lever arms about the points' main axis
    distance = float(points.norm(dim=-1).max())
    if along <= 1e-4 * distance * math.sqrt(k) or across <= 1e-3 * along:
        return math.inf
    sigma = math.sqrt(float(residuals_m.double().square().sum()) / (3 * k - 6))
    return math.degrees(sigma / across)


@dataclass(frozen=True)
class Support:
    """What speaks for a pose.

    Attributes:
        num_inliers: k, distinct ones. num_correspondences: M, reduced in proportion where inliers are not distinct.
        chance_rate: rate at which wrong correspondences agree with the pose.
        log10_nfa: expected number of such poses by chance.
        rotation_std_deg: predicted uncertainty about the least certain axis.
        confidence: lower end of the 95 % Wilson interval of (k - m) / (M - m).
        reason: why the pose is refused; empty = it is supported.
    """

    num_inliers: int
    num_correspondences: float
    chance_rate: float
    log10_nfa: float
    rotation_std_deg: float
    confidence: float
    reason: str


def assess(
    problem: PoseProblem,
    correspondences: Tensor,
    residual: Residual,
    threshold: float,
    minimal: int,
    options: SupportOptions,
    generator: torch.Generator,
    points: Tensor | None = None,
    residuals_m: Tensor | None = None,
) -> Support:
    """Judge a pose by its residuals on the correspondences and on wrong pairs.

    Args:
        correspondences: (M, 2) int64 that were weighed.
        residual: residuals of keypoint pairs (P, 2) under the pose; used on right and on wrong pairs.
        threshold: inliers have residual < threshold.
        minimal: m, how many correspondences define a pose of this solver.
        points: (M, 3) metres of the correspondences in one camera frame. Default: those of view 0.
        residuals_m: (M,) the residuals in metres. Default: ``residual`` is in metres.
    """
    residuals = residual(correspondences)
    inliers = residuals < threshold
    hits = int(inliers.sum())
    points = problem.view0.points()[correspondences[:, 0]] if points is None else points
    residuals_m = residuals if residuals_m is None else residuals_m
    distinct = num_distinct(problem, correspondences[inliers], options.distinct_px) if hits else 0
    total = len(correspondences) * distinct / hits if hits else float(len(correspondences))
    wrong = residual(wrong_pairs(correspondences, generator, options.chance_pairs))
    chance_rate = (int((wrong < threshold).sum()) + 1) / (len(wrong) + 1)
    log10_nfa = log10_false_alarms(distinct, total, minimal, chance_rate)
    std_deg = rotation_std_deg(points[inliers], residuals_m[inliers])
    reason = ""
    if distinct < options.min_inliers:
        reason = f"{distinct} distinct inliers, {options.min_inliers} are needed"
    elif std_deg > options.max_rotation_std_deg:
        reason = "the inliers lie on a line or in one spot and do not determine the rotation"
    elif log10_nfa > options.max_log10_nfa:
        reason = f"{distinct} inliers of {total:.0f} are no more than chance explains (log10 NFA {log10_nfa:.1f})"
    confidence = 0.0 if reason else wilson_lower_bound(distinct - minimal, total - minimal)
    return Support(distinct, total, chance_rate, log10_nfa, std_deg, confidence, reason)


def conclude(
    problem: PoseProblem,
    R: Tensor,
    t: Tensor,
    correspondences: Tensor,
    residual: Residual,
    threshold: float,
    minimal: int,
    options: SupportOptions,
    generator: torch.Generator,
    points: Tensor | None = None,
    residuals_m: Tensor | None = None,
) -> RelativePose:
    """The pose (R (3, 3), t (3,) of cam1_from_cam0) as a result, or a failure where ``assess`` refuses it."""
    weighed = correspondences.cpu().numpy()
    if not bool(torch.isfinite(R).all() & torch.isfinite(t).all()):
        return RelativePose.failure("no finite pose was found", weighed)
    support = assess(problem, correspondences, residual, threshold, minimal, options, generator, points, residuals_m)
    if support.reason:
        return RelativePose.failure(support.reason, weighed)
    residuals = residual(correspondences)
    return RelativePose(
        success=True,
        cam1_from_cam0=rigid3d(R, t),
        score=float(soft_inlier_count(residuals, threshold)),
        confidence=support.confidence,
        correspondences=weighed,
        inliers=(residuals < threshold).cpu().numpy(),
    )


def rigid3d(R: Tensor, t: Tensor) -> pycolmap.Rigid3d:
    """R (3, 3) and t (3,) metres as pycolmap's rigid motion."""
    rotation = pycolmap.Rotation3d(R.double().cpu().numpy())
    return pycolmap.Rigid3d(rotation, np.asarray(t.double().cpu().numpy()))


def usable_matches(problem: PoseProblem, depth0: bool = True, depth1: bool = True) -> Tensor:
    """(M, 2) int64: the problem's matches whose keypoints are finite and have usable depth where it is asked for."""
    assert problem.matches is not None
    keep = torch.ones(len(problem.matches), dtype=torch.bool, device=problem.matches.device)
    for side, view, needs_depth in ((0, problem.view0, depth0), (1, problem.view1, depth1)):
        good = view.usable if needs_depth else torch.isfinite(view.keypoints).all(dim=-1)
        keep &= good[problem.matches[:, side]]
    return problem.matches[keep]


def too_few(matches: Tensor, needed: int, what: str = "matches have depth in both images") -> RelativePose:
    """The failure of a pair with fewer usable matches than a minimal set."""
    return RelativePose.failure(f"{len(matches)} {what}, {needed} are needed", matches.cpu().numpy())

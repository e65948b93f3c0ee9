"""Whether a pose is supported by its correspondences, and how confident that makes us. Shared by all solvers.

A pose must have enough inliers at all, they must determine the rotation, and wrong correspondences must not agree with
it as well: keypoints of one correspondence are paired with those of another, and we count how often such wrong pairs
agree with the pose (see ``chance``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import CheckedOptions, require
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.chance import (
    log10_false_alarms,
    num_distinct,
    rotation_std_deg,
    soft_inlier_count,
    wilson_lower_bound,
    wrong_pairs,
)

Residual = Callable[[Tensor], Tensor]  # (P, 2) keypoint indices -> (P,) residuals, NaN or inf where undefined


@dataclass(frozen=True)
class SupportOptions(CheckedOptions):
    """When a solver claims a pose; the Options of every solver inherit these.

    Attributes:
        min_inliers: fewer distinct inliers than this are a failure.
        max_log10_nfa: the pose is refused unless fewer than 10^max_log10_nfa equally supported poses are expected among
            wrong correspondences; below 0 is a margin, +inf switches the test off.
        max_rotation_std_deg: a larger predicted standard deviation of the rotation, about its least certain axis, is a
            failure (inliers on a line or in one spot).
        distinct_px: inliers closer than about this in an image are one piece of evidence, not several.
        chance_pairs: at most so many wrong pairs are drawn to measure the chance rate.
    """

    min_inliers: int = 5
    max_log10_nfa: float = -0.5
    max_rotation_std_deg: float = 10.0
    distinct_px: float = 4.0
    chance_pairs: int = 200_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_inliers", self.min_inliers >= 1, "at least 1")
        require(self, "max_rotation_std_deg", self.max_rotation_std_deg > 0, "positive")
        require(self, "distinct_px", self.distinct_px > 0, "positive")
        require(self, "chance_pairs", self.chance_pairs >= 1, "at least 1")


@dataclass(frozen=True)
class Support:
    """What speaks for a pose.

    Attributes:
        num_inliers: k, distinct ones.
        num_correspondences: M, reduced in proportion where inliers are not distinct.
        chance_rate: alpha, the rate at which wrong pairs are inliers of the pose.
        log10_nfa: expected number of such poses by chance.
        rotation_std_deg: predicted uncertainty about the least certain axis.
        confidence: lower end of the 95 % Wilson interval of (k - m) / (M - m); 0 when the pose is refused.
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
    agreeing = correspondences[inliers]
    keypoints0, keypoints1 = problem.view0.keypoints[agreeing[:, 0]], problem.view1.keypoints[agreeing[:, 1]]
    distinct = num_distinct(keypoints0, keypoints1, options.distinct_px)
    distinct_share = distinct / len(agreeing) if len(agreeing) else 1.0
    total = len(correspondences) * distinct_share
    wrong = residual(wrong_pairs(correspondences, generator, options.chance_pairs))
    chance_rate = (int((wrong < threshold).sum()) + 1) / (len(wrong) + 1)
    log10_nfa = log10_false_alarms(residuals, wrong, threshold, minimal, distinct_share)
    points = problem.view0.points()[correspondences[:, 0]] if points is None else points
    residuals_m = residuals if residuals_m is None else residuals_m
    std_deg = rotation_std_deg(points[inliers], residuals_m[inliers])
    reason = ""
    if distinct < options.min_inliers:
        reason = f"{distinct} distinct inliers of {len(correspondences)}, {options.min_inliers} are needed"
    elif std_deg > options.max_rotation_std_deg:
        reason = "the inliers lie on a line or in one spot and do not determine the rotation"
    elif log10_nfa > options.max_log10_nfa:
        reason = (
            f"{distinct} inliers of {len(correspondences)} are no more than chance explains (log10 NFA {log10_nfa:.1f})"
        )
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
    evidence: Tensor | None = None,
) -> RelativePose:
    """The pose (R (3, 3), t (3,) of cam1_from_cam0) as a result, or a failure where ``assess`` refuses it.

    ``evidence`` (E, 2) are the correspondences to judge it by, where they are others than those that were weighed.
    """
    weighed = correspondences.cpu().numpy()
    if not bool(torch.isfinite(R).all() & torch.isfinite(t).all()):
        return RelativePose.failure("the correspondences agree with no pose", weighed)
    judged = correspondences if evidence is None else evidence
    support = assess(problem, judged, residual, threshold, minimal, options, generator, points, residuals_m)
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
    q = np.asarray(pycolmap.Rotation3d(R.cpu().double().numpy()).quat)  # of float32 numbers: not of unit length
    return pycolmap.Rigid3d(pycolmap.Rotation3d(q / np.linalg.norm(q)), np.asarray(t.cpu().double().numpy()))


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


__all__ = [
    "Residual",
    "Support",
    "SupportOptions",
    "assess",
    "conclude",
    "log10_false_alarms",
    "require",
    "rigid3d",
    "soft_inlier_count",
    "too_few",
    "usable_matches",
    "wilson_lower_bound",
    "wrong_pairs",
]

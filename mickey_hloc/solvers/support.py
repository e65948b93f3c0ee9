"""From a solver's pose to its result: the estimate with the evidence for it. Shared by all solvers.

Solvers refuse nothing that they can estimate; ``mickey_hloc.confidence`` decides what is accepted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import CheckedOptions, require
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.chance import soft_inlier_count, wrong_pairs
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.evidence import Judged, gather

Residual = Callable[[Tensor], Tensor]  # (P, 2) keypoint indices -> (P,) residuals, NaN or inf where undefined


@dataclass(frozen=True)
class EvidenceOptions(CheckedOptions):
    """How evidence is counted; the Options of every solver inherit these.

    Attributes:
        distinct_px: inliers closer than about this in an image are one piece of evidence, not several.
        chance_pairs: wrong pairs drawn to measure the chance rate, at most.
    """

    distinct_px: float = 4.0
    chance_pairs: int = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "distinct_px", 0 < self.distinct_px < math.inf, "positive and finite")
        require(self, "chance_pairs", self.chance_pairs >= 1, "at least 1")


def conclude(
    problem: PoseProblem,
    R: Tensor,
    t: Tensor,
    correspondences: Tensor,
    residual: Residual,
    threshold: float,
    minimal: int,
    options: EvidenceOptions,
    generator: torch.Generator,
    minimised: Minimised,
    judged: Tensor | None = None,
    probabilities: Tensor | None = None,
    depth_log_ratio: float | None = None,
) -> RelativePose:
    """The estimate (R (3, 3), t (3,) of cam1_from_cam0) with its evidence, or a failure where it is not finite.

    Args:
        correspondences: (M, 2) int64 that were weighed.
        residual: residuals of keypoint pairs (P, 2) under the pose; used on right and on wrong pairs.
        threshold: inliers have residual < threshold.
        minimal: how many correspondences define a pose of this solver.
        minimised: what it minimises, see ``covariance``.
        judged: (E, 2) correspondences to judge it by, where they are others than those that were weighed.
        probabilities: (E,) match probabilities of the judged ones. Default: those of the problem's matches.
        depth_log_ratio: log of the ratio of both depth maps' scales, where the solver estimated it.
    """
    weighed = correspondences.cpu().numpy()
    if not bool(torch.isfinite(R).all() & torch.isfinite(t).all()):
        return RelativePose.failure("the correspondences agree with no pose", weighed)
    pairs = correspondences if judged is None else judged
    if probabilities is None:
        probabilities = match_probabilities(problem, pairs)
    wrong = residual(wrong_pairs(pairs, generator, options.chance_pairs))
    residuals = residual(correspondences)
    of_judged = residuals if judged is None else residual(pairs)
    distinct_px = options.distinct_px
    view = Judged(pairs, of_judged, wrong, threshold, minimal, probabilities, minimised, distinct_px, depth_log_ratio)
    evidence, parts = gather(problem, R, t, view)
    pose = rigid3d(R, t)
    return RelativePose(
        success=True,
        cam1_from_cam0=pose,
        estimate=pose,
        score=float(soft_inlier_count(residuals, threshold)),
        correspondences=weighed,
        inliers=(residuals < threshold).cpu().numpy(),
        evidence=evidence,
        covariance=parts.residual,
        covariance_parts=parts,
    )


def match_probabilities(problem: PoseProblem, pairs: Tensor) -> Tensor:
    """(M,) scores of the problem's matches for pairs (M, 2) that are among them; 1 where the problem has no scores."""
    if problem.matches is None or problem.match_scores is None:
        return torch.ones(len(pairs), device=pairs.device)
    stride = len(problem.view1.keypoints) + 1
    keys = problem.matches[:, 0] * stride + problem.matches[:, 1]
    order = keys.argsort()
    wanted = pairs[:, 0] * stride + pairs[:, 1]
    place = torch.searchsorted(keys[order], wanted).clamp(max=max(len(keys) - 1, 0))
    return problem.match_scores[order[place]].to(torch.float64).clamp(0, 1)


def rigid3d(R: Tensor, t: Tensor) -> pycolmap.Rigid3d:
    """R (3, 3) and t (3,) metres as pycolmap's rigid motion."""
    q = np.asarray(pycolmap.Rotation3d(R.cpu().double().numpy()).quat)  # of float32 numbers: not of unit length
    return pycolmap.Rigid3d(pycolmap.Rotation3d(q / np.linalg.norm(q)), np.asarray(t.cpu().double().numpy()))


def usable_matches(problem: PoseProblem, depth0: bool = True, depth1: bool = True) -> Tensor:
    """(M, 2) int64: the problem's matches whose keypoints are located and have usable depth where it is asked for."""
    assert problem.matches is not None
    keep = torch.ones(len(problem.matches), dtype=torch.bool, device=problem.matches.device)
    for side, view, needs_depth in ((0, problem.view0, depth0), (1, problem.view1, depth1)):
        good = view.usable if needs_depth else view.located
        keep &= good[problem.matches[:, side]]
    return problem.matches[keep]


def too_few(matches: Tensor, needed: int, what: str = "matches have depth in both images") -> RelativePose:
    """The failure of a pair with fewer usable matches than a minimal set."""
    return RelativePose.failure(f"{len(matches)} {what}, {needed} are needed", matches.cpu().numpy())


__all__ = [
    "EvidenceOptions",
    "Residual",
    "conclude",
    "match_probabilities",
    "require",
    "rigid3d",
    "soft_inlier_count",
    "too_few",
    "usable_matches",
]

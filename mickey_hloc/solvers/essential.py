"""Metric relative pose from 2D-2D matches: essential matrix by a robust library, scale by consensus from depth.

Source of the scheme: the baselines of Arnold et al., "Map-free visual relocalization", ECCV 2022. Beyond them the two
cameras may differ, depth also decides among the motions that the matches allow (which saves pure rotations and planar
scenes), and inliers must agree in scale too.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mickey_hloc.geometry import transform
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.epipolar import EpipolarSettings, motions
from mickey_hloc.solvers.match_solver import MatchOptions, MatchSolver, Pose, draw_seed
from mickey_hloc.solvers.residuals import depth_support, sampson_errors
from mickey_hloc.solvers.support import Residual, require, usable_matches


@dataclass(frozen=True)
class EssentialOptions(MatchOptions):
    """Options of ``essential``, besides those of ``MatchOptions``.

    Attributes:
        max_error_px: inliers are nearer than this to the epipolar geometry.
        max_scale_error_m: inliers are nearer than this to their partner along the translation, metres.
        max_iterations: maximum number of RANSAC iterations.
        probability: RANSAC stops when a set of inliers only was drawn with this probability.
        backend: "opencv" (USAC with MAGSAC++ scores) or "poselib" (LO-RANSAC, an extra).
    """

    max_error_px: float = 2.0
    max_scale_error_m: float = 0.1
    max_iterations: int = 10_000
    probability: float = 0.9999
    backend: Literal["opencv", "poselib"] = "opencv"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_error_px", 0 < self.max_error_px < math.inf, "positive and finite")
        require(self, "max_scale_error_m", 0 < self.max_scale_error_m < math.inf, "positive and finite")
        require(self, "max_iterations", self.max_iterations >= 1, "at least 1")
        require(self, "probability", 0 < self.probability < 1, "between 0 and 1")


class EssentialSolver(MatchSolver):
    """Epipolar geometry of all matches, then the length of the translation from those with depth in both views."""

    Options = EssentialOptions
    min_correspondences = 6  # five for the essential matrix, one for the scale

    @property
    def tolerance_m(self) -> float:
        return self.options.max_scale_error_m

    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        o: EssentialOptions = self.options
        everywhere = usable_matches(problem, depth0=False, depth1=False)
        settings = EpipolarSettings(o.max_error_px, o.max_iterations, o.probability, draw_seed(generator), o.backend)
        X, Y = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        best: Pose | None = None
        highest = 0.0
        for R, direction in motions(problem, everywhere, settings):
            near = self._epipolar_errors(problem, (R, direction), matches) < o.max_error_px
            if not bool(near.any()):
                continue
            pose = R, direction * scale_by_consensus((Y[near] - X[near] @ R.mT) @ direction, o.max_scale_error_m)
            agreement = self._agreement(problem, matches, pose)
            if agreement > highest:
                highest, best = agreement, pose
        return best

    def _agreement(self, problem: PoseProblem, matches: Tensor, pose: Pose) -> float:
        """Soft count of inliers, once by the epipolar geometry and once more where the depths agree as well.

        The epipolar geometry alone cannot tell the decompositions of an essential matrix apart, nor the two motions
        that a plane allows.
        """
        residual, threshold = self._judge(problem, pose)
        X, Y = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        values = torch.sigmoid((5.0 / threshold) * (threshold - residual(matches)))
        return float((values * (1 + depth_support(*pose, X, Y))).sum())

    def _epipolar_errors(self, problem: PoseProblem, pose: Pose, pairs: Tensor) -> Tensor:
        view0, view1 = problem.view0, problem.view1
        return sampson_errors(*pose, view0.keypoints[pairs[:, 0]], view1.keypoints[pairs[:, 1]], view0.K, view1.K)

    def _minimised(self) -> Minimised:
        return "epipolar"

    def _judge(self, problem: PoseProblem, pose: Pose) -> tuple[Residual, float]:
        """Residuals in pixels; disagreement in scale is expressed in them by the ratio of both thresholds."""
        R, t = pose
        points0, points1 = problem.view0.points(), problem.view1.points()
        direction = t / torch.linalg.vector_norm(t).clamp(min=1e-12)
        px_per_m = self.options.max_error_px / self.options.max_scale_error_m

        def residual(pairs: Tensor) -> Tensor:
            offsets = transform(R, t, points0[pairs[:, 0]]) - points1[pairs[:, 1]]
            along = (offsets @ direction).abs() * px_per_m
            return torch.maximum(self._epipolar_errors(problem, pose, pairs), along)

        return residual, self.options.max_error_px


def scale_by_consensus(scales: Tensor, max_error_m: float) -> float:
    """The translation's length on which most single matches agree; negative = the direction was the wrong way round.

    Args:
        scales: (M,) metres, M >= 1: the length that each match asks for.
        max_error_m: matches that far apart still agree.
    """
    ordered = scales.sort().values
    first = torch.searchsorted(ordered, ordered - max_error_m, right=True)
    last = torch.searchsorted(ordered, ordered + max_error_m)
    best = int((last - first).argmax())
    return float(ordered[first[best] : last[best]].mean()) if last[best] > first[best] else float(ordered[best])

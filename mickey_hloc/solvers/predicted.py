"""The pose that a pair model predicts itself, judged by the matches; metres from their depths where it has none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.match_solver import MatchOptions, MatchSolver, Pose, precise
from mickey_hloc.solvers.residuals import point_errors
from mickey_hloc.solvers.support import Residual, require, usable_matches

MIN_MATCHES = 3  # with depth in both images, for the scale


@dataclass(frozen=True)
class PredictedOptions(MatchOptions):
    """Options of ``predicted``, besides those of ``MatchOptions``.

    Attributes:
        max_error_m: matches are inliers whose points are nearer than this under the pose, metres.
    """

    max_error_m: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_error_m", self.max_error_m > 0, "positive")


class PredictedSolver(MatchSolver):
    """The network's pose as it is. Matches tell how well it is supported; without any it stands unsupported."""

    Options = PredictedOptions
    needs_prediction = True

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        if problem.prediction is None:
            return RelativePose.failure("no pose was predicted of this pair")
        is_metric = problem.prediction.is_metric
        problem = precise(problem)
        matches = usable_matches(problem)
        if not is_metric and len(matches) < MIN_MATCHES:
            return RelativePose.failure(
                f"the predicted pose has no scale, and {len(matches)} matches have depth in both images, {MIN_MATCHES} "
                "are needed",
                matches.cpu().numpy(),
            )
        pose = self._estimate(problem, matches, generator)
        if pose is None:
            return RelativePose.failure("the depths agree with no scale of the predicted pose", matches.cpu().numpy())
        return self._conclude(problem, matches, self._improve(problem, matches, pose), generator)

    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        assert problem.prediction is not None
        given = torch.from_numpy(problem.prediction.cam1_from_cam0).to(problem.view0.keypoints)
        R, t = given[:, :3], given[:, 3]
        if problem.prediction.is_metric:
            return R, t
        length = torch.linalg.vector_norm(t)
        if float(length) < 1e-9:
            return R, torch.zeros_like(t)
        direction = t / length
        X, Y = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        # Each match tells the length of t along its direction; the median withstands wrong ones.
        scale = ((Y - X @ R.mT) @ direction).median()
        return (R, scale * direction) if float(scale) > 0 else None

    def _minimised(self) -> Minimised:
        return "points"  # nothing was minimised: the covariance is that of the points that speak for the pose

    def _judge(self, problem: PoseProblem, pose: Pose) -> tuple[Residual, float]:
        points0, points1 = problem.view0.points(), problem.view1.points()

        def residual(pairs: Tensor) -> Tensor:
            return point_errors(*pose, points0[pairs[:, 0]], points1[pairs[:, 1]])

        return residual, self.options.max_error_m

"""What the solvers that work on given matches have in common: from usable matches to a judged result."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers.base import PoseProblem, Solver, View
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.refine import refine_pose
from mickey_hloc.solvers.support import (
    EvidenceOptions,
    Residual,
    conclude,
    require,
    soft_inlier_count,
    too_few,
    usable_matches,
)

Pose = tuple[Tensor, Tensor]  # R (3, 3) and t (3,) metres: cam1_from_cam0


@dataclass(frozen=True)
class MatchOptions(EvidenceOptions):
    """Options of every solver on matches, besides those of ``EvidenceOptions``.

    Attributes:
        refine: refine the pose on reprojection and depth of all matches together (see ``refine``).
        keypoint_sigma_px: standard deviation of a keypoint that the refinement assumes.
        depth_sigma: relative standard deviation of a depth that it assumes; 0 = measured on the pair.
    """

    refine: bool = False
    keypoint_sigma_px: float = 1.0
    depth_sigma: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "keypoint_sigma_px", 0 < self.keypoint_sigma_px < math.inf, "positive and finite")
        require(self, "depth_sigma", 0 <= self.depth_sigma <= 10, "between 0 and 10")


class MatchSolver(Solver):
    """Base of the solvers on matches. A subclass estimates a pose and says how far pairs are from agreeing with it."""

    needs: ClassVar[Literal["matches", "probability"]] = "matches"

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        problem = precise(problem)
        matches = usable_matches(problem, *self._depth_needed())
        if len(matches) < self.min_correspondences:
            return too_few(matches, self.min_correspondences)
        pose = self._estimate(problem, matches, generator)
        if pose is None:
            return RelativePose.failure("the matches agree with no pose", matches.cpu().numpy())
        improved = self._improve(problem, matches, pose)
        # A refinement may not cost a pose its support.
        if improved is not pose and self._soft_count(problem, matches, improved) < 0.5 * self._soft_count(
            problem, matches, pose
        ):
            improved = pose
        return self._conclude(problem, matches, improved, generator)

    def _improve(self, problem: PoseProblem, matches: Tensor, pose: Pose) -> Pose:
        """The pose after the refinements that the options ask for."""
        if not self.options.refine:
            return pose
        return refine_pose(problem, matches, *pose, self.options.keypoint_sigma_px, self.options.depth_sigma)

    def _soft_count(self, problem: PoseProblem, matches: Tensor, pose: Pose) -> float:
        residual, threshold = self._judge(problem, pose)
        return float(soft_inlier_count(residual(matches), threshold))

    def _conclude(self, problem: PoseProblem, matches: Tensor, pose: Pose, generator: torch.Generator) -> RelativePose:
        residual, threshold = self._judge(problem, pose)
        minimised: Minimised = "whitened" if self.options.refine else self._minimised()
        minimal = self.min_correspondences
        return conclude(problem, *pose, matches, residual, threshold, minimal, self.options, generator, minimised)

    def _depth_needed(self) -> tuple[bool, bool]:
        """Whether a match needs depth in view 0, in view 1."""
        return True, True

    @abstractmethod
    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        """The pose from at least ``min_correspondences`` usable matches (M, 2), None where there is none."""

    @abstractmethod
    def _minimised(self) -> Minimised:
        """What the solver minimises, see ``covariance``."""

    @abstractmethod
    def _judge(self, problem: PoseProblem, pose: Pose) -> tuple[Residual, float]:
        """The residual of keypoint pairs under a pose, and the threshold below which they are inliers."""


def precise(problem: PoseProblem) -> PoseProblem:
    """The problem with float64 views, so that a pose does not depend on how sums were split; Apple's GPUs have none."""
    if problem.view0.keypoints.device.type == "mps":
        return problem
    views = _precise_view(problem.view0), _precise_view(problem.view1)
    return PoseProblem(*views, problem.matches, problem.match_scores, prediction=problem.prediction)


def _precise_view(view: View) -> View:
    return View(view.keypoints.double(), view.depths.double(), view.K.double(), view.image_size, view.depth_map)


def draw_seed(generator: torch.Generator) -> int:
    """A seed in [0, 2^31) for a library that takes an integer."""
    return int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))

"""Metric relative pose from both views' depths at once, when each depth map has a scale (and shift) error of its own.

The idea is that of Yu et al., "Relative pose estimation through affine corrections of monocular depth priors", CVPR
2025 (MADPose): the pose, the ratio of the depth scales and the depth shifts are estimated together. Three robust
estimators propose poses (essential matrix, and P3P with either view's depth), all are refined under the joint model of
``refine``, and the one with the largest support is kept.

How far depths can be believed differs from pair to pair: a sensor's to per cents, a network's sometimes to a fifth. So
this is done under several standard deviations of a depth, and of the poses that come out the one is taken that chance
explains least: its a-contrario number of false alarms among pairs drawn at random, times that among neighbouring
keypoints in pixels. A wider tolerance has more inliers, but chance has more of them too.

Two depth maps only tell by how much they disagree: the ratio of their scales is estimated, and the metric scale is
their geometric mean.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.geometry import inverse, transform
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers.base import BREAKDOWNS, PoseProblem, Solver, View, broke_down
from mickey_hloc.solvers.depth_model import DepthModel
from mickey_hloc.solvers.epipolar import EpipolarSettings, motions
from mickey_hloc.solvers.match_solver import draw_seed, precise
from mickey_hloc.solvers.monodepth import monodepth_candidate
from mickey_hloc.solvers.pnp import PnPOptions, absolute_pose
from mickey_hloc.solvers.proposals import Candidate, with_ratio, with_triangulated_scale
from mickey_hloc.solvers.refine import PairFit, rays, refine_with_depth_model
from mickey_hloc.solvers.support import EvidenceOptions, conclude, require, soft_inlier_count, too_few, usable_matches

_NUM_REFINED = 2  # of all proposals, those with the largest support
_DEPTH_SIGMAS = (0.05, 0.1, 0.2)  # tried where none is given


@dataclass(frozen=True)
class JointOptions(EvidenceOptions):
    """Options of ``joint``, besides those of ``EvidenceOptions``.

    Attributes:
        max_error_sigmas: inliers disagree by fewer standard deviations of keypoints and depths than this.
        keypoint_sigma_px: standard deviation of a keypoint.
        depth_sigma: relative standard deviation of a depth, after its scale and shift are corrected; 0 = 0.05 for depth
            that a sensor measured, else of 0.05, 0.1 and 0.2 the one whose pose chance explains least.
        max_epipolar_error_px, max_reprojection_error_px: inlier thresholds of the proposing estimators.
        free_shifts: also estimate a shift of each view's depths, metres.
        shift_sigma_m: of the Gaussian prior that keeps shifts near 0.
        backend: who proposes poses: "own" (the three estimators) or "poselib" (its monodepth estimator, in versions
            newer than 2.0.5).
    """

    max_error_sigmas: float = 3.0
    keypoint_sigma_px: float = 2.0
    depth_sigma: float = 0.0
    max_epipolar_error_px: float = 2.0
    max_reprojection_error_px: float = 8.0
    free_shifts: bool = False
    shift_sigma_m: float = 0.2
    backend: Literal["own", "poselib"] = "own"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (
            "max_error_sigmas",
            "keypoint_sigma_px",
            "max_epipolar_error_px",
            "max_reprojection_error_px",
            "shift_sigma_m",
        ):
            require(self, name, 0 < getattr(self, name) < math.inf, "positive and finite")
        require(self, "depth_sigma", 0 <= self.depth_sigma <= 10, "between 0 and 10")


class JointSolver(Solver):
    """Pose and depth scales together: proposals by 2D-2D and 3D-2D estimators, judged on keypoints and both depths."""

    Options = JointOptions
    needs: ClassVar[Literal["matches", "probability"]] = "matches"
    min_correspondences = 3  # three equations each, for six unknowns of the pose and one to three of the depths

    def suited_to(self, depth_kind: str) -> Solver:
        """A sensor's depths are right to 5 %; calibrations for them rest on that."""
        if depth_kind != "measured" or self.options.depth_sigma:
            return self
        suited = self.copy()
        suited.options = replace(self.options, depth_sigma=_DEPTH_SIGMAS[0])
        return suited

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        o: JointOptions = self.options
        problem = precise(problem)
        matches = usable_matches(problem)
        if len(matches) < self.min_correspondences:
            return too_few(matches, self.min_correspondences)
        seed = draw_seed(generator)
        proposals = self._proposals(problem, matches, seed)
        sigmas = (o.depth_sigma,) if o.depth_sigma else _DEPTH_SIGMAS
        poses = []
        for sigma in sigmas:
            try:
                poses.append(self._fitted(problem, matches, proposals, sigma, seed))
            except BREAKDOWNS as error:  # costs this sigma only
                poses.append(broke_down(error))
        return min(poses, key=_chance)

    def _fitted(
        self, problem: PoseProblem, matches: Tensor, proposals: list[Candidate], sigma: float, seed: int
    ) -> RelativePose:
        """The refined proposal with the largest support, where depths have this relative standard deviation."""
        best = self._refined(problem, matches, proposals, sigma)
        if best is None:
            return RelativePose.failure("the matches agree with no pose", matches.cpu().numpy())
        R, t, model = best
        o: JointOptions = self.options
        return conclude(
            _corrected(problem, model),
            R,
            t,
            matches,
            lambda pairs: _errors_in_sigmas(PairFit(problem, pairs, o.keypoint_sigma_px), (R, t, model), sigma),
            o.max_error_sigmas,
            self.min_correspondences,
            o,
            torch.Generator(matches.device).manual_seed(seed),  # the same wrong pairs for every sigma
            "joint",
            depth_log_ratio=model.log_ratio,
        )

    def _refined(
        self, problem: PoseProblem, matches: Tensor, proposals: list[Candidate], sigma: float
    ) -> Candidate | None:
        o: JointOptions = self.options
        best: Candidate | None = None
        highest = 0.0
        fit = PairFit(problem, matches, o.keypoint_sigma_px)
        ranked = sorted(proposals, key=lambda each: self._support(fit, each, sigma), reverse=True)
        for proposal in ranked[:_NUM_REFINED]:
            refined = refine_with_depth_model(problem, matches, *proposal, o.keypoint_sigma_px, sigma)
            support = self._support(fit, refined, sigma)
            if support > highest:
                highest, best = support, refined
        return best

    def _support(self, fit: PairFit, candidate: Candidate, sigma: float) -> float:
        return float(soft_inlier_count(_errors_in_sigmas(fit, candidate, sigma), self.options.max_error_sigmas))

    def _proposals(self, problem: PoseProblem, matches: Tensor, seed: int) -> list[Candidate]:
        o: JointOptions = self.options
        model = DepthModel(free_ratio=True, free_shifts=o.free_shifts, shift_sigma=o.shift_sigma_m)
        view0, view1 = problem.view0, problem.view1
        if o.backend == "poselib":
            limits = o.max_reprojection_error_px, o.max_epipolar_error_px
            found = monodepth_candidate(problem, matches, model, limits, seed)
            return [] if found is None else [found]
        X, Y = view0.points()[matches[:, 0]], view1.points()[matches[:, 1]]
        candidates: list[Candidate] = []
        pnp = PnPOptions(max_error_px=o.max_reprojection_error_px)
        everywhere = usable_matches(problem, depth0=False, depth1=False)
        settings = EpipolarSettings(o.max_epipolar_error_px, pnp.max_iterations, pnp.probability, seed)
        with ThreadPoolExecutor(2) as pool:  # each has a seed of its own: what comes out does not depend on threads
            forward = pool.submit(absolute_pose, view0, view1, matches, pnp, seed)
            backward = pool.submit(absolute_pose, view1, view0, matches.flip(-1), pnp, seed)
            moved = motions(problem, everywhere, settings)
        if (pose := forward.result()) is not None:
            candidates += with_ratio(*pose, X, Y, model, measured_in=0)
        if (pose := backward.result()) is not None:
            candidates += with_ratio(*inverse(*pose), X, Y, model, measured_in=1)
        rays0, rays1 = rays(view0)[matches[:, 0]], rays(view1)[matches[:, 1]]
        for R, unit_t in moved:
            for direction in (unit_t, -unit_t):
                candidates += with_triangulated_scale(R, direction, rays0, rays1, X[:, 2], Y[:, 2], model)
        return candidates


def _errors_in_sigmas(fit: PairFit, candidate: Candidate, depth_sigma: float) -> Tensor:
    """(P,) disagreement of pairs in standard deviations of keypoints and depths; inf behind a camera."""
    R, t, model = candidate
    X, Y = fit.points(R, t, model)
    in_front = (X[:, 2] > 0) & (Y[:, 2] > 0) & (transform(R, t, X)[:, 2] > 0)
    _, errors, _ = fit.whitened(R, t, model, depth_sigma)
    return torch.where(in_front, torch.linalg.vector_norm(errors, dim=-1), math.inf)


def _chance(pose: RelativePose) -> tuple[bool, int, float]:
    """How well chance explains a pose: how many numbers of false alarms are infinite, and log10 of the others."""
    evidence = pose.evidence
    numbers = [math.inf, math.inf] if evidence is None else [evidence.log10_nfa, evidence.local_log10_nfa]
    finite = [number for number in numbers if math.isfinite(number)]
    return not pose.success, len(numbers) - len(finite), sum(finite)


def _corrected(problem: PoseProblem, model: DepthModel) -> PoseProblem:
    """The problem with depths as the model corrects them."""
    depths0, depths1 = model.apply(problem.view0.depths, problem.view1.depths)
    view0 = View(problem.view0.keypoints, depths0, problem.view0.K, problem.view0.image_size)
    view1 = View(problem.view1.keypoints, depths1, problem.view1.K, problem.view1.image_size)
    return PoseProblem(view0, view1, problem.matches, problem.match_scores)

"""Metric relative pose from 2D-2D matches: essential matrix by a robust library, scale by consensus from depth.

Source of the scheme: the baselines of Arnold et al., "Map-free visual relocalization", ECCV 2022. Beyond them the two
cameras may differ, depth also decides among the decompositions of the essential matrix (which saves pure rotations),
and inliers must agree in scale too.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry import transform
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.match_solver import MatchOptions, MatchSolver, Pose, draw_seed
from mickey_hloc.solvers.residuals import sampson_errors
from mickey_hloc.solvers.support import Residual, require, usable_matches


@dataclass(frozen=True)
class EssentialOptions(MatchOptions):
    """Options of ``essential``, besides those of ``MatchOptions``.

    Attributes:
        max_error_px: inliers are nearer than this to the epipolar geometry.
        max_scale_error_m: inliers are nearer than this to their partner along the translation, metres.
        max_iterations: at most so many RANSAC iterations.
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
        require(self, "max_error_px", self.max_error_px > 0, "positive")
        require(self, "max_scale_error_m", self.max_scale_error_m > 0, "positive")
        require(self, "max_iterations", self.max_iterations >= 1, "at least 1")
        require(self, "probability", 0 < self.probability < 1, "between 0 and 1")
        require(self, "backend", self.backend in ("opencv", "poselib"), "opencv or poselib")


class EssentialSolver(MatchSolver):
    """Essential matrix on all matches, then the length of the translation on those with depth in both views."""

    Options = EssentialOptions
    unit = "px"
    min_correspondences = 6  # five for the essential matrix, one for the scale

    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        everywhere = usable_matches(problem, depth0=False, depth1=False)
        E = essential_matrix(problem, everywhere, self.options, draw_seed(generator))
        if E is None:
            return None
        X, Y = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        R1, R2, direction = decompose(E, X)
        near = self._epipolar_errors(problem, (R1, direction), matches) < self.options.max_error_px
        if not bool(near.any()):
            return None
        return min(
            (_scaled(R, direction, X[near], Y[near], self.options.max_scale_error_m) for R in (R1, R2)),
            key=lambda candidate: candidate[0],
        )[1]

    def _epipolar_errors(self, problem: PoseProblem, pose: Pose, pairs: Tensor) -> Tensor:
        view0, view1 = problem.view0, problem.view1
        return sampson_errors(*pose, view0.keypoints[pairs[:, 0]], view1.keypoints[pairs[:, 1]], view0.K, view1.K)

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


def essential_matrix(problem: PoseProblem, matches: Tensor, o: EssentialOptions, seed: int) -> np.ndarray | None:
    """(3, 3) float64 with x1^T E x0 = 0 in normalised coordinates; None where none is found."""
    kp0 = problem.view0.keypoints[matches[:, 0]].cpu().double().numpy()
    kp1 = problem.view1.keypoints[matches[:, 1]].cpu().double().numpy()
    K0, K1 = problem.view0.K.cpu().double().numpy(), problem.view1.K.cpu().double().numpy()
    backend = _with_poselib if o.backend == "poselib" else _with_opencv
    return backend(kp0, kp1, K0, K1, o, seed)


def decompose(E: np.ndarray, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two rotations (3, 3) of an essential matrix and its translation (3,) up to sign, of unit length."""
    R1, R2, direction = (torch.from_numpy(np.ascontiguousarray(part)).to(like) for part in cv2.decomposeEssentialMat(E))
    return R1, R2, direction[:, 0]


def _with_opencv(
    kp0: np.ndarray, kp1: np.ndarray, K0: np.ndarray, K1: np.ndarray, o: EssentialOptions, seed: int
) -> np.ndarray | None:
    params = cv2.UsacParams()
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.final_polisher = cv2.MAGSAC
    params.threshold = o.max_error_px
    params.confidence = o.probability
    params.maxIterations = o.max_iterations
    params.randomGeneratorState = seed
    E, _ = cv2.findEssentialMat(kp0, kp1, K0, K1, np.zeros(4), np.zeros(4), params)
    return E if E is not None and E.shape == (3, 3) and bool(np.isfinite(E).all()) else None


def _with_poselib(
    kp0: np.ndarray, kp1: np.ndarray, K0: np.ndarray, K1: np.ndarray, o: EssentialOptions, seed: int
) -> np.ndarray | None:
    try:
        import poselib
    except ImportError as error:
        raise MissingDependencyError(
            "The poselib backend needs PoseLib: pip install 'mickey-hloc[solvers]', or choose backend=opencv."
        ) from error
    cameras = [
        {"model": "PINHOLE", "width": 1, "height": 1, "params": [K[0, 0], K[1, 1], K[0, 2], K[1, 2]]} for K in (K0, K1)
    ]
    ransac = {
        "max_epipolar_error": o.max_error_px,
        "max_iterations": o.max_iterations,
        "success_prob": o.probability,
        "seed": seed,
    }
    pose, info = poselib.estimate_relative_pose(kp0, kp1, *cameras, ransac, {})
    if info["num_inliers"] < 5:
        return None
    x, y, z = pose.t / max(np.linalg.norm(pose.t), 1e-12)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ pose.R


def _scaled(R: Tensor, direction: Tensor, X: Tensor, Y: Tensor, max_error_m: float) -> tuple[float, Pose]:
    """The pose with its scale, and how far points (M, 3) are off under it, relative to their distance."""
    t = direction * scale_by_consensus((Y - X @ R.mT) @ direction, max_error_m)
    errors = torch.linalg.vector_norm(transform(R, t, X) - Y, dim=-1) / torch.linalg.vector_norm(Y, dim=-1)
    return float(errors.median()), (R, t)


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

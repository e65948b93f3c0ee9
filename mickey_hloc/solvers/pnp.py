"""Metric relative pose from 3D-2D matches: P3P RANSAC and non-linear refinement, by pycolmap or PoseLib."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry import inverse
from mickey_hloc.solvers.base import PoseProblem, View
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.match_solver import MatchOptions, MatchSolver, Pose, draw_seed
from mickey_hloc.solvers.residuals import reprojection_errors
from mickey_hloc.solvers.support import Residual, require, soft_inlier_count


@dataclass(frozen=True)
class PnPOptions(MatchOptions):
    """Options of ``pnp``, besides those of ``MatchOptions``.

    Attributes:
        max_error_px: inliers reproject nearer than this to their keypoint.
        max_iterations: maximum number of RANSAC iterations.
        probability: RANSAC stops when a set of inliers only was drawn with this probability.
        direction: whose depth is used: that of view 0 ("0to1"), of view 1 ("1to0"), or each in turn, keeping the pose
            with the larger support in both images ("both").
        backend: "pycolmap" or "poselib" (an extra).
    """

    max_error_px: float = 6.0
    max_iterations: int = 10_000
    probability: float = 0.9999
    direction: Literal["0to1", "1to0", "both"] = "0to1"
    backend: Literal["pycolmap", "poselib"] = "pycolmap"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_error_px", 0 < self.max_error_px < math.inf, "positive and finite")
        require(self, "max_iterations", self.max_iterations >= 1, "at least 1")
        require(self, "probability", 0 < self.probability < 1, "between 0 and 1")


class PnPSolver(MatchSolver):
    """The points of one view, in metres by its depth, seen by the other view."""

    Options = PnPOptions
    min_correspondences = 3

    def _depth_needed(self) -> tuple[bool, bool]:
        return self.options.direction != "1to0", self.options.direction != "0to1"

    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        seed = draw_seed(generator)
        poses: list[Pose] = []
        if self.options.direction != "1to0":
            forward = absolute_pose(problem.view0, problem.view1, matches, self.options, seed)
            poses += [forward] if forward is not None else []
        if self.options.direction != "0to1":
            backward = absolute_pose(problem.view1, problem.view0, matches.flip(-1), self.options, seed)
            poses += [inverse(*backward)] if backward is not None else []
        if len(poses) < 2:
            return poses[0] if poses else None
        threshold = self.options.max_error_px
        supports = [float(soft_inlier_count(self._judge(problem, pose)[0](matches), threshold)) for pose in poses]
        return poses[int(np.argmax(supports))]

    def _minimised(self) -> Minimised:
        return "projection0" if self.options.direction == "1to0" else "projection1"

    def _judge(self, problem: PoseProblem, pose: Pose) -> tuple[Residual, float]:
        view0, view1 = problem.view0, problem.view1
        points0, points1 = view0.points(), view1.points()
        use0, use1 = self._depth_needed()

        def residual(pairs: Tensor) -> Tensor:
            i, j = pairs.unbind(dim=-1)
            errors = []
            if use0:
                errors.append(reprojection_errors(*pose, points0[i], view1.keypoints[j], view1.K))
            if use1:
                errors.append(reprojection_errors(*inverse(*pose), points1[j], view0.keypoints[i], view0.K))
            return torch.stack(errors).mean(dim=0)

        return residual, self.options.max_error_px


def absolute_pose(points_view: View, image_view: View, matches: Tensor, o: PnPOptions, seed: int) -> Pose | None:
    """The camera of ``image_view`` in the frame of ``points_view``; matches (M, 2) are indices in this order."""
    points2d = image_view.keypoints[matches[:, 1]].cpu().numpy()
    points3d = points_view.points()[matches[:, 0]].cpu().numpy()
    K = image_view.K.cpu().numpy()
    # Skew goes into the points; a size is asked for and not used.
    focal = [K[0, 0], K[1, 1]]
    rays = np.column_stack([points2d, np.ones(len(points2d))]) @ np.linalg.inv(K).T
    pixels = rays[:, :2] * focal
    backend = _with_poselib if o.backend == "poselib" else _with_pycolmap
    result = backend(pixels, points3d, focal, o, seed)
    if result is None:
        return None
    R, t = (torch.from_numpy(np.array(part, dtype=np.float64)).to(points_view.keypoints) for part in result)
    return R, t


def _with_pycolmap(
    pixels: np.ndarray, points3d: np.ndarray, focal: list[float], o: PnPOptions, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    import pycolmap

    camera = pycolmap.Camera(model="PINHOLE", width=1, height=1, params=[*focal, 0.0, 0.0])
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error = o.max_error_px
    options.ransac.max_num_trials = o.max_iterations
    options.ransac.min_num_trials = min(options.ransac.min_num_trials, o.max_iterations)
    options.ransac.min_inlier_ratio = 0.01
    options.ransac.confidence = o.probability
    options.ransac.random_seed = seed
    result = pycolmap.estimate_and_refine_absolute_pose(pixels, points3d, camera, options)
    if result is None:
        return None
    pose = result["cam_from_world"]
    return pose.rotation.matrix(), pose.translation


def _with_poselib(
    pixels: np.ndarray, points3d: np.ndarray, focal: list[float], o: PnPOptions, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        import poselib
    except ImportError as error:
        raise MissingDependencyError(
            "The poselib backend needs PoseLib: pip install 'mickey-hloc[solvers]', or choose backend=pycolmap."
        ) from error
    camera = {"model": "PINHOLE", "width": 1, "height": 1, "params": [*focal, 0.0, 0.0]}
    ransac = {
        "max_reproj_error": o.max_error_px,
        "max_iterations": o.max_iterations,
        "min_iterations": min(1000, o.max_iterations),
        "success_prob": o.probability,
        "seed": seed,
    }
    pose, info = poselib.estimate_absolute_pose(pixels, points3d, camera, ransac, {})
    return (pose.R, pose.t) if info["num_inliers"] >= 3 else None

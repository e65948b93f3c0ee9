"""Pose and relative depth scale by PoseLib's hybrid RANSAC over matches with depth, where its version has it.

Ding et al., "RePoseD: Efficient relative pose estimation with known depth information", ICCV 2025.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.depth_model import DepthModel

_MIN_INLIERS = 4
_ADVICE = "install PoseLib from https://github.com/PoseLib/PoseLib, or choose backend=own"


def monodepth_candidate(
    problem: PoseProblem, matches: Tensor, model: DepthModel, max_errors_px: tuple[float, float], seed: int
) -> tuple[Tensor, Tensor, DepthModel] | None:
    """R (3, 3), t (3,) metres of cam1_from_cam0, with the ratio (and shifts) of the depths; None where none is found.

    Args:
        problem: in double precision.
        matches: (M, 2) with depth in both views.
        model: what of the depths is free.
        max_errors_px: of reprojections and of the epipolar geometry.
        seed: of the draws.

    Raises:
        MissingDependencyError: no PoseLib, or one without these estimators, as 2.0.5 of PyPI.
    """
    try:
        import poselib
    except ImportError as error:
        raise MissingDependencyError(
            f"Backend poselib of joint needs PoseLib's monodepth estimators: {_ADVICE}."
        ) from error
    if not hasattr(poselib, "estimate_monodepth_relative_pose"):
        version = getattr(poselib, "__version__", "installed")
        raise MissingDependencyError(f"PoseLib {version} has no monodepth estimators: {_ADVICE}.")
    if len(matches) < _MIN_INLIERS:
        return None
    sides = ((problem.view0, matches[:, 0]), (problem.view1, matches[:, 1]))
    keypoints = [view.keypoints[index].cpu().numpy() for view, index in sides]
    depths = [view.depths[index].cpu().tolist() for view, index in sides]
    cameras = [_camera(view.K, view.image_size) for view, _ in sides]
    options = {"max_errors": list(max_errors_px), "estimate_shift": model.free_shifts, "ransac": {"seed": seed}}
    geometry, info = poselib.estimate_monodepth_relative_pose(*keypoints, *depths, *cameras, options)
    if info["num_inliers"] < _MIN_INLIERS or not 0 < geometry.scale < math.inf:
        return None
    # PoseLib is in units of view 0's depth, z1 = scale (d1 + shift2); here the product of both scales is 1.
    log_ratio = math.log(geometry.scale)
    half = math.exp(-log_ratio / 2)
    R, t = (torch.from_numpy(array.copy()).to(problem.view0.keypoints) for array in (geometry.pose.R, geometry.pose.t))
    if not bool(torch.isfinite(R).all() and torch.isfinite(t).all()):
        return None
    shifts = (geometry.shift1 * half, geometry.shift2 / half) if model.free_shifts else (0.0, 0.0)
    return R, half * t, replace(model, log_ratio=log_ratio, shift0=shifts[0], shift1=shifts[1])


def _camera(K: Tensor, image_size: tuple[int, int] | None) -> dict[str, Any]:
    """As PoseLib writes a pinhole camera; the size has no part in the pose."""
    parameters = [float(value) for value in (K[0, 0], K[1, 1], K[0, 2], K[1, 2])]
    width, height = image_size or (1, 1)
    return {"model": "PINHOLE", "width": width, "height": height, "params": parameters}

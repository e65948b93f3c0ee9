"""The second motion that a plane allows, and how well it explains matches beside the estimated one.

Two views of a plane allow two motions (Faugeras and Lustman, "Motion and structure from motion in a piecewise planar
environment", IJPRAI 1988). Pixels cannot choose between them; depth can, if it is better than the motions are alike.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry import rotation_angle_deg
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.epipolar import arrays, motions_of_homography
from mickey_hloc.solvers.residuals import depth_support

PLANE_SHARE = 0.00375  # of the image diagonal: 3 px at 640 x 480
_LEAST_ON_PLANE = 0.9  # share of the matches
_LEAST_MATCHES = 6  # four always have a homography
_OTHER_DEG = 5.0  # motions that turn less from each other are the same
_NO_SUPPORT = 0.5  # points: less is none, and no ratio of two such supports says anything


def rival_share(problem: PoseProblem, pairs: Tensor, R: Tensor, t: Tensor, diagonal_px: float) -> float:
    """How well depth supports the best other motion of the matches' plane, as a multiple of the pose's support, which
    counts as half a point at least.

    Args:
        pairs: (k, 2) int64 keypoint indices, inliers of the pose with depth in both views.
        R, t: (3, 3) and (3,) metres, cam1_from_cam0.
        diagonal_px: of image 1.

    Returns:
        0 where the matches do not lie on a plane or it allows no motion that turns 5 degrees from the pose.
    """
    if len(pairs) < _LEAST_MATCHES:
        return 0.0
    kp0, kp1, K0, K1 = arrays(problem, pairs)
    H, _ = cv2.findHomography(kp0, kp1, 0)
    if H is None or not np.isfinite(H).all():
        return 0.0
    moved = np.c_[kp0, np.ones(len(kp0))] @ H.T
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.linalg.norm(moved[:, :2] / moved[:, 2:] - kp1, axis=1)
    if np.mean(errors < PLANE_SHARE * diagonal_px) < _LEAST_ON_PLANE:
        return 0.0
    X, Y = (view.points()[pairs[:, i]].cpu().double() for i, view in enumerate((problem.view0, problem.view1)))
    R, t = R.cpu().double(), t.cpu().double()
    own = max(
        float(depth_support(R, t, X, Y).sum()), _best_support(R, t / torch.linalg.vector_norm(t).clamp(min=1e-9), X, Y)
    )
    best = 0.0
    for turned, direction in motions_of_homography(H, K0, K1):
        other, along = torch.from_numpy(turned), torch.from_numpy(direction)
        if float(rotation_angle_deg(other @ R.mT)) > _OTHER_DEG:
            best = max(best, _best_support(other, along, X, Y))
    return best / max(own, _NO_SUPPORT)


def _best_support(R: Tensor, direction: Tensor, X: Tensor, Y: Tensor) -> float:
    """Soft count of the points whose depths agree, with the length of the translation that they ask for."""
    return float(depth_support(R, ((Y - X @ R.mT) @ direction).median() * direction, X, Y).sum())

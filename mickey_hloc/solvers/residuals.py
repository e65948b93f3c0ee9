"""How far keypoint pairs are from agreeing with a pose: in metres, in pixels to a projection, in pixels to a line."""

import math

import torch
from torch import Tensor

from mickey_hloc.geometry import project, transform
from mickey_hloc.geometry.epipolar import fundamental_matrix, homogeneous


def point_errors(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """|R X + t - Y|: poses (..., 3, 3) and (..., 3), points (..., M, 3) metres -> (..., M) metres."""
    return torch.linalg.vector_norm(transform(R, t, X) - Y, dim=-1)


def depth_support(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """(M,) how well two depths of a point agree under a motion, 1 to 0: exp(-error / 10 % of the distance)."""
    relative = point_errors(R, t, X, Y) / torch.linalg.vector_norm(Y, dim=-1).clamp(min=1e-9)
    return torch.exp(-relative / 0.1)


def reprojection_errors(R: Tensor, t: Tensor, X: Tensor, keypoints: Tensor, K: Tensor) -> Tensor:
    """Distance of projected points to keypoints: (..., M, 3) metres, (..., M, 2) -> (..., M) pixels.

    A point behind the camera is infinitely far from every keypoint.
    """
    moved = transform(R, t, X)
    errors = torch.linalg.vector_norm(project(moved, K) - keypoints, dim=-1)
    return torch.where(moved[..., 2] > 0, errors, math.inf)


def sampson_errors(R: Tensor, t: Tensor, keypoints0: Tensor, keypoints1: Tensor, K0: Tensor, K1: Tensor) -> Tensor:
    """First-order distance of keypoint pairs (M, 2) to the epipolar geometry of a pose (R (3, 3), t (3,)): (M,) pixels.

    The length of t does not matter; without any translation it is the distance to the keypoint that the rotation
    predicts.
    """
    length = torch.linalg.vector_norm(t)
    if float(length) < 1e-9:
        rays = homogeneous(keypoints0) @ torch.linalg.inv(K0).mT
        return reprojection_errors(R, torch.zeros_like(t), rays, keypoints1, K1)
    F = fundamental_matrix(R, t / length, K0, K1)
    points0, points1 = homogeneous(keypoints0), homogeneous(keypoints1)
    lines1, lines0 = points0 @ F.mT, points1 @ F
    offset = (points1 * lines1).sum(dim=-1).abs()
    gradient = (lines0[:, :2].square().sum(dim=-1) + lines1[:, :2].square().sum(dim=-1)).sqrt()
    return offset / gradient.clamp(min=torch.finfo(gradient.dtype).tiny)

"""What a known relative pose says about a pair of keypoints: epipolar lines, and the depth at which rays meet."""

import torch
from torch import Tensor

from mickey_hloc.geometry.camera import backproject
from mickey_hloc.geometry.rigid import skew

EPS = 1e-9


def homogeneous(keypoints: Tensor) -> Tensor:
    """(..., 2) -> (..., 3)."""
    return torch.cat([keypoints, torch.ones_like(keypoints[..., :1])], dim=-1)


def fundamental_matrix(R: Tensor, t: Tensor, K0: Tensor, K1: Tensor) -> Tensor:
    """F with x1^T F x0 = 0 for corresponding pixels x0, x1.

    Args:
        R, t: (..., 3, 3) and (..., 3) cam1_from_cam0; the length of t only scales F. K0, K1: (..., 3, 3).

    Returns:
        (..., 3, 3).
    """
    return torch.linalg.inv(K1).mT @ skew(t) @ R @ torch.linalg.inv(K0)


def epipolar_distances(keypoints0: Tensor, keypoints1: Tensor, F: Tensor) -> Tensor:
    """The larger of the distances of two keypoints from each other's epipolar line.

    Args:
        keypoints0, keypoints1: (..., N, 2) pixels. F: (..., 3, 3), see ``fundamental_matrix``.

    Returns:
        (..., N) pixels.
    """
    lines1, lines0 = homogeneous(keypoints0) @ F.mT, homogeneous(keypoints1) @ F
    algebraic = (lines1 * homogeneous(keypoints1)).sum(dim=-1).abs()
    return algebraic / torch.minimum(lines1[..., :2].norm(dim=-1), lines0[..., :2].norm(dim=-1)).clamp(min=EPS)


def near_epipolar_lines(keypoints0: Tensor, keypoints1: Tensor, F: Tensor, limit_px: float) -> Tensor:
    """Which keypoints lie within ``limit_px`` of each other's epipolar lines: (..., N0, 2), (..., N1, 2) -> bool."""
    lines1, lines0 = homogeneous(keypoints0) @ F.mT, homogeneous(keypoints1) @ F
    algebraic = (lines1 @ homogeneous(keypoints1).mT).abs_()
    narrow = torch.minimum(lines1[..., :2].norm(dim=-1)[..., :, None], lines0[..., :2].norm(dim=-1)[..., None, :])
    return algebraic < limit_px * narrow


def triangulate_depths(
    keypoints0: Tensor, keypoints1: Tensor, R: Tensor, t: Tensor, K0: Tensor, K1: Tensor
) -> tuple[Tensor, Tensor]:
    """Depth in camera 0 at which a keypoint, carried over to camera 1, comes nearest to the ray of its match.

    Args:
        keypoints0, keypoints1: (..., N, 2) pixels. R, t: (..., 3, 3) and (..., 3) cam1_from_cam0, metres.
        K0, K1: (..., 3, 3).

    Returns:
        (..., N) metres, negative where the rays part; and (..., N) disparity: pixels between keypoint 1 and where
        keypoint 0 would lie if its point were infinitely far.
    """
    ones = torch.ones_like(keypoints0[..., 0])
    ray0 = backproject(keypoints0, ones, K0) @ R.mT
    ray1 = backproject(keypoints1, ones, K1)
    moved, start = torch.linalg.cross(ray0, ray1), torch.linalg.cross(t[..., None, :].expand_as(ray1), ray1)
    depths = -(moved * start).sum(dim=-1) / moved.square().sum(dim=-1).clamp(min=EPS)
    far = ray0 @ K1.mT
    at_infinity = far[..., :2] / torch.where(far[..., 2:].abs() < EPS, EPS, far[..., 2:])
    return depths, (keypoints1 - at_infinity).norm(dim=-1)

"""Rigid motions: inverses, camera centres, Kabsch alignment, angles between rotations, pose errors.

Batched and differentiable; what turns a pose around takes tensors and numpy arrays alike.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mickey_hloc.geometry.camera import check_shape

Array = TypeVar("Array", np.ndarray, Tensor)


def skew(v: Tensor) -> Tensor:
    """Cross-product matrices: (..., 3) -> (..., 3, 3) with skew(a) @ b = a x b."""
    x, y, z = v.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def _axis_of_skew_part(A: Tensor) -> Tensor:
    """The vector v with A - A^T = skew(v): (..., 3, 3) -> (..., 3)."""
    return torch.stack(
        [
            A[..., 2, 1] - A[..., 1, 2],
            A[..., 0, 2] - A[..., 2, 0],
            A[..., 1, 0] - A[..., 0, 1],
        ],
        dim=-1,
    )


class _NearestRotation(torch.autograd.Function):
    """R = argmax over SO(3) of trace(R^T M), differentiated through the optimality condition.

    At the optimum S = R^T M is symmetric. Moving M by dM turns R by w with (tr(S) I - S) w = axis(R^T dM), so the
    gradient needs no differences of singular values (which make autograd through an SVD blow up for planar, isotropic
    or tiny point sets). Where the rotation itself is undetermined (collinear points) the inverse is damped, so that
    the gradient stays finite.
    """

    @staticmethod
    def forward(ctx: Any, M: Tensor) -> Tensor:
        U, s, Vh = torch.linalg.svd(M)
        sign = torch.where(torch.linalg.det(U @ Vh) < 0, -1.0, 1.0).to(M)
        signed_U = torch.cat([U[..., :2], U[..., 2:] * sign[..., None, None]], dim=-1)
        R = signed_U @ Vh
        s1, s2, s3 = s[..., 0], s[..., 1], s[..., 2] * sign
        eigenvalues = torch.stack([s2 + s3, s1 + s3, s1 + s2], dim=-1)
        ctx.save_for_backward(R, Vh, eigenvalues)
        return R

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_R: Tensor) -> Tensor:
        R, Vh, eigenvalues = ctx.saved_tensors
        info = torch.finfo(R.dtype)
        damping = info.eps**0.5 * eigenvalues[..., 2:] + info.tiny**0.5
        inverse = eigenvalues / (eigenvalues.square() + damping.square())
        v = _axis_of_skew_part(R.transpose(-1, -2) @ grad_R)
        u = (Vh.transpose(-1, -2) @ (inverse * (Vh @ v[..., None])[..., 0])[..., None])[..., 0]
        return R @ skew(u)


def nearest_rotation(M: Tensor) -> Tensor:
    """Rotations R maximising trace(R^T M): (..., 3, 3) -> (..., 3, 3). Once differentiable."""
    check_shape("M", M, 3, 3)
    return _NearestRotation.apply(M)


def kabsch(X: Tensor, Y: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Least-squares rigid motion between corresponding points: minimises sum_i w_i |R X_i + t - Y_i|^2.

    Source: Kabsch 1976; MicKey section 3.1.2. Degenerate sets (fewer than 3 points, collinear) give one of the best
    motions; the caller judges whether it is meaningful.

    Args:
        X: (..., N, 3) points of camera 0, metres.
        Y: (..., N, 3) points of camera 1, metres.
        weights: (..., N), >= 0; they need not sum to 1. Default: equal. A boolean mask works too.

    Returns:
        R (..., 3, 3) and t (..., 3): cam1_from_cam0.
    """
    check_shape("X", X, None, 3)
    check_shape("Y", Y, X.shape[-2], 3)
    if weights is None:
        w = torch.full_like(X[..., 0], 1.0 / max(X.shape[-2], 1))
    else:
        check_shape("weights", weights, X.shape[-2])
        w = weights.to(X.dtype)
        w = w / w.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(X.dtype).tiny)
    mean_X = (w[..., None] * X).sum(dim=-2)
    mean_Y = (w[..., None] * Y).sum(dim=-2)
    centred_X = X - mean_X[..., None, :]
    centred_Y = Y - mean_Y[..., None, :]
    R = nearest_rotation((w[..., None] * centred_Y).transpose(-1, -2) @ centred_X)
    t = mean_Y - (R @ mean_X[..., None])[..., 0]
    return R, t


def transform(R: Array, t: Array, X: Array) -> Array:
    """R X + t for (..., 3, 3), (..., 3) and points (..., N, 3)."""
    return X @ R.swapaxes(-1, -2) + t[..., None, :]


def camera_centres(R: Array, t: Array) -> Array:
    """Where cameras stand in the world: -R^T t of cam_from_world; of cam1_from_cam0, camera 1 in camera 0's frame.

    The one place where a pose becomes a position; ``translations`` is the way back.

    Args:
        R, t: (..., 3, 3) and (..., 3).

    Returns:
        (..., 3), in the unit of t.

    Example:
        >>> camera_centres(torch.eye(3), torch.tensor([-0.5, -1.0, -2.0]))
        tensor([0.5000, 1.0000, 2.0000])
    """
    return -(R.swapaxes(-1, -2) @ t[..., None])[..., 0]


def translations(R: Array, centres: Array) -> Array:
    """The t of cam_from_world of cameras that stand at ``centres``, -R c: (..., 3, 3), (..., 3) -> (..., 3)."""
    return -(R @ centres[..., None])[..., 0]


def inverse(R: Array, t: Array) -> tuple[Array, Array]:
    """The inverse motion: world_from_cam of cam_from_world, or cam0_from_cam1 of cam1_from_cam0.

    Shapes (..., 3, 3) and (..., 3).

    Example:
        >>> cam1_from_cam0 = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), torch.tensor([1.0, 2.0, 3.0])
        >>> points0 = torch.tensor([[4.0, 5.0, 6.0]])
        >>> transform(*inverse(*cam1_from_cam0), transform(*cam1_from_cam0, points0))
        tensor([[4., 5., 6.]])
    """
    return R.swapaxes(-1, -2), camera_centres(R, t)


def relative_motion(cam0_from_world: np.ndarray, cam1_from_world: np.ndarray) -> np.ndarray:
    """(..., 3, 4) cam1_from_cam0 of two cameras' (..., 3, 4) cam_from_world."""
    R = cam1_from_world[..., :3] @ cam0_from_world[..., :3].swapaxes(-1, -2)
    return np.concatenate([R, cam1_from_world[..., 3:] - R @ cam0_from_world[..., 3:]], axis=-1)


def rotation_angle_deg(R: Tensor) -> Tensor:
    """Angle of rotations, accurate also near 0 and 180 degrees: (..., 3, 3) -> (...) in [0, 180]."""
    check_shape("R", R, 3, 3)
    double_sine = torch.linalg.vector_norm(_axis_of_skew_part(R), dim=-1)
    double_cosine = R.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0
    return torch.rad2deg(torch.atan2(double_sine, double_cosine))


def pose_errors(R: Tensor, t: Tensor, R_gt: Tensor, t_gt: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation error in degrees and translation error in metres between poses of the same direction.

    Args:
        R, R_gt: (..., 3, 3).
        t, t_gt: (..., 3) metres.

    Returns:
        (...) degrees and (...) metres.
    """
    rotation_error = rotation_angle_deg(R_gt.transpose(-1, -2) @ R)
    return rotation_error, torch.linalg.vector_norm(t - t_gt, dim=-1)

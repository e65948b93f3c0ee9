"""How certain a pose is: what the residuals of its inliers say, and what an error of the depths' scales would do.

A small change (w, v) of a pose turns it to exp(w) R and shifts it to t + v, in the frame of camera 1: w in radians, v
in metres. All 6 x 6 covariances of this package are in this order.

A solver minimises sum e^T W e of e = R X + t - Y with weights W (3 x 3) of its own. Where the noise of e has the
covariance C, the minimum has A^-1 B A^-1 with A = sum J^T W J and B = sum J^T W C W J (the sandwich of Huber, "The
behavior of maximum likelihood estimates under nonstandard conditions", 1967). C is the noise model of ``refine``:
keypoints to a pixel, depths to per cents as measured on the pair, both multiplied by how large the residuals are.

Residuals cannot tell that a whole depth map is too long: all its points are wrong together. How the pose would follow
is known, though: -A^-1 sum J^T W R X for the logarithm of the scale of view 0.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import CovarianceParts
from mickey_hloc.geometry.rigid import skew
from mickey_hloc.geometry.vcre import benchmark_grid
from mickey_hloc.solvers.base import PoseProblem, View
from mickey_hloc.solvers.depth_model import DepthModel
from mickey_hloc.solvers.refine import PairFit

# What a solver minimises: distances of points, to projections in image 0 or 1, to epipolar lines and then the length;
# or all of it weighed by its noise ("whitened"), with the ratio of the depth scales as a further unknown ("joint").
Minimised = Literal["points", "projection0", "projection1", "epipolar", "whitened", "joint"]
_EQUATIONS = {"points": 3, "projection0": 2, "projection1": 2, "epipolar": 1, "whitened": 3, "joint": 3}  # of a match
_UNKNOWNS = {"epipolar": 5, "joint": 7}
_MIN_VARIANCE = 1e-4  # of the noise model: no keypoint is better than a hundredth of a pixel
_LENGTH_WEIGHT = 1e-3  # against the epipolar lines, which come first


def pose_uncertainty(
    problem: PoseProblem, pairs: Tensor, R: Tensor, t: Tensor, minimised: Minimised, sigma_px: float = 1.0
) -> CovarianceParts:
    """The parts of a pose's covariance; infinite where the inliers do not determine it.

    Args:
        pairs: (k, 2) int64 keypoint indices, inliers.
        R, t: (3, 3) and (3,) metres, cam1_from_cam0.
        minimised: what the solver minimises.
        sigma_px: standard deviation of a keypoint.
    """
    R, t = R.cpu().double(), t.cpu().double()
    fit = PairFit(PoseProblem(_exact(problem.view0), _exact(problem.view1), pairs.cpu()), pairs.cpu(), sigma_px)
    model = DepthModel(free_ratio=minimised == "joint")
    free = _EQUATIONS[minimised] * len(fit) - _UNKNOWNS.get(minimised, 6)
    if len(fit) < 3 or free < 1:
        return CovarianceParts.unknown()
    factors, _, RX = fit.whitened(R, t, model, fit.measured_depth_sigma(R, t, model))
    noise = factors @ factors.mT
    X, Y = fit.points(R, t, model)
    J, W = fit.jacobian(R, RX, model), _weights(minimised, fit, R, t, X, Y, noise)
    WJ = W @ J
    A = torch.einsum("mei,mej->ij", J, WJ)
    B = torch.einsum("mei,mef,mfj->ij", WJ, noise, WJ)
    inverse = _inverse(A, float(Y[:, 2].median().clamp(min=1e-3)))
    if inverse is None:
        return CovarianceParts.unknown()
    e = RX + t - Y
    expected = float(torch.einsum("mef,mfe->", W, noise))
    found = float(torch.einsum("me,mef,mf->", e, W, e))
    # Few residuals say little about the noise: the variance of Student's distribution is larger by free / (free - 2).
    size = found / expected * (free + _UNKNOWNS.get(minimised, 6)) / free * max(free, 3) / (max(free, 3) - 2)
    by_scale0 = -(inverse @ torch.einsum("mei,me->i", WJ, RX))[:6]
    by_scale1 = (inverse @ torch.einsum("mei,me->i", WJ, Y))[:6]
    along = torch.cat([torch.zeros(3, dtype=t.dtype), t])
    return CovarianceParts(
        (max(size, _MIN_VARIANCE) * inverse @ B @ inverse)[:6, :6].numpy(),
        (by_scale0[:, None] * by_scale0 + by_scale1[:, None] * by_scale1).numpy(),
        (along[:, None] * along).numpy(),
    )


def _exact(view: View) -> View:
    return View(view.keypoints.cpu().double(), view.depths.cpu().double(), view.K.cpu().double(), view.image_size)


def _weights(minimised: Minimised, fit: PairFit, R: Tensor, t: Tensor, X: Tensor, Y: Tensor, noise: Tensor) -> Tensor:
    """(M, 3, 3) W of the solver."""
    if minimised == "points":
        return torch.eye(3).to(Y).expand(len(Y), 3, 3)
    if minimised in ("whitened", "joint"):
        return torch.linalg.inv(noise)
    if minimised == "projection0":
        turned = _projection(X, fit.view0.K) @ R.mT
        return turned.mT @ turned
    length = torch.linalg.vector_norm(t)
    if minimised == "projection1" or float(length) < 1e-6:  # without translation there are no epipolar lines
        P = _projection(Y, fit.view1.K)
        return P.mT @ P
    normals = torch.linalg.cross(t.expand_as(Y), Y)
    normals = normals / torch.linalg.vector_norm(normals, dim=-1, keepdim=True).clamp(min=1e-12)
    pixels = (fit.view1.K[0, 0] / Y[:, 2].clamp(min=1e-3)).square()[:, None, None]
    direction = t / length
    lines = pixels * normals[:, :, None] * normals[:, None, :]
    return lines + _LENGTH_WEIGHT * pixels.mean() * direction[:, None] * direction


def _projection(points: Tensor, K: Tensor) -> Tensor:
    """(M, 2, 3) derivative of the pixel by the point."""
    image = points @ K.mT
    z = image[:, 2:, None].clamp(min=1e-3)
    return (K[:2] - (image[:, :2, None] / z) * K[2]) / z


def _inverse(A: Tensor, depth_m: float) -> Tensor | None:
    """The inverse of the normal matrix, None where it has none; metres are compared with radians at a typical depth."""
    units = torch.ones(len(A), dtype=A.dtype)
    units[3:6] = depth_m
    eigenvalues, axes = torch.linalg.eigh(units[:, None] * A * units)
    if not float(eigenvalues[0]) > 1e-10 * float(eigenvalues[-1]):
        return None
    return units[:, None] * ((axes / eigenvalues) @ axes.mT) * units


def isotropic_covariance(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """(6, 6) covariance of a pose that was fitted to points with errors alike in all directions, in metres that grow
    with the distance; float64, infinite where they do not determine it. It compares poses of different solvers.

    Args:
        R, t: (3, 3) and (3,) metres.
        X, Y: (k, 3) metres, inliers in camera 0 and camera 1.
    """
    X, Y, R, t = (part.cpu().double() for part in (X, Y, R, t))
    turned = X @ R.mT
    errors, k = turned + t - Y, len(X)
    unknown = torch.full((6, 6), math.inf, dtype=torch.float64)
    if k < 3:
        return unknown
    weights = 1.0 / (turned + t).square().sum(dim=-1).clamp(min=1e-6)
    jacobian = torch.cat([-skew(turned), torch.eye(3, dtype=torch.float64).expand(k, 3, 3)], dim=-1)
    H = torch.einsum("m,mei,mej->ij", weights, jacobian, jacobian)
    variance = float((weights * errors.square().sum(dim=-1)).sum()) / max(3 * k - 6, 1)
    inverse = _inverse(H, 1.0)
    return unknown if inverse is None else variance * inverse


def vcre_std(covariance: Tensor, R: Tensor, t: Tensor, K: Tensor, diagonal_px: float) -> float:
    """Predicted VCRE of a pose with this covariance (root mean square), as a share of 10 % of the image diagonal."""
    if not bool(torch.isfinite(covariance).all()):
        return math.inf
    R, K = R.cpu().double(), K.cpu().double()
    grid = benchmark_grid(dtype=torch.float64)
    moves = torch.cat([-skew(grid @ R.mT), torch.eye(3, dtype=torch.float64).expand(len(grid), 3, 3)], dim=-1)
    moves = R.mT @ moves  # of the virtual points, in camera 0
    jacobian = _projection(grid, K) @ moves
    squares = torch.einsum("pei,ij,pej->p", jacobian, covariance, jacobian)
    return float(squares.mean().clamp(min=0).sqrt()) / (0.1 * diagonal_px)

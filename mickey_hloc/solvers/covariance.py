"""How certain a pose is, from the residuals of its inliers.

A small change (w, v) of a pose turns it to exp(w) R and shifts it to t + v, in the frame of camera 1: w in radians, v
in metres. All 6 x 6 covariances of this package are in this order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mickey_hloc.geometry.rigid import skew
from mickey_hloc.geometry.vcre import benchmark_grid


def pose_covariance(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """(6, 6) covariance of a pose that was fitted to points, float64; infinite where they do not determine it.

    Args:
        R, t: (3, 3) and (3,) metres.
        X, Y: (k, 3) metres, inliers in camera 0 and camera 1.
    """
    X, Y, R, t = (part.cpu().double() for part in (X, Y, R, t))
    k = len(X)
    unknown = torch.full((6, 6), math.inf, dtype=torch.float64)
    if k < 3:
        return unknown
    turned = X @ R.mT
    errors = turned + t - Y
    # Points twice as far are twice as uncertain: depth errors are relative.
    weights = 1.0 / (turned + t).square().sum(dim=-1).clamp(min=1e-6)
    jacobian = torch.cat([-skew(turned), torch.eye(3, dtype=torch.float64).expand(k, 3, 3)], dim=-1)
    H = torch.einsum("m,mei,mej->ij", weights, jacobian, jacobian)
    variance = float((weights * errors.square().sum(dim=-1)).sum()) / max(3 * k - 6, 1)
    eigenvalues, axes = torch.linalg.eigh(H)
    if float(eigenvalues[0]) <= 1e-9 * float(eigenvalues[-1]):
        return unknown
    return variance * (axes / eigenvalues) @ axes.mT


def vcre_std(covariance: Tensor, R: Tensor, t: Tensor, K: Tensor, diagonal_px: float) -> float:
    """Predicted VCRE of a pose with this covariance (root mean square), as a share of 10 % of the image diagonal."""
    if not bool(torch.isfinite(covariance).all()):
        return math.inf
    R, K = R.cpu().double(), K.cpu().double()
    grid = benchmark_grid(dtype=torch.float64)
    moves = torch.cat([-skew(grid @ R.mT), torch.eye(3, dtype=torch.float64).expand(len(grid), 3, 3)], dim=-1)
    moves = R.mT @ moves  # of the virtual points, in camera 0
    image = grid @ K.mT
    z = image[:, 2:, None]
    projection = (K[:2] - (image[:, :2] / image[:, 2:])[:, :, None] * K[2]) / z
    jacobian = projection @ moves
    squares = torch.einsum("pei,ij,pej->p", jacobian, covariance, jacobian)
    return float(squares.mean().clamp(min=0).sqrt()) / (0.1 * diagonal_px)


def distance_std_m(covariance: Tensor, t: Tensor) -> float:
    """Standard deviation of the distance between the cameras, metres."""
    t = t.cpu().double()
    length = float(torch.linalg.vector_norm(t))
    block = covariance[3:, 3:]
    if not bool(torch.isfinite(block).all()):
        return math.inf
    if length < 1e-9:
        return math.sqrt(max(float(block.diagonal().sum()) / 3, 0.0))
    direction = t / length
    return math.sqrt(max(float(direction @ block @ direction), 0.0))

"""Point-to-plane ICP between two dense depth maps, from a pose that is already close."""

import torch
from torch import Tensor

from mickey_hloc.geometry import backproject, transform
from mickey_hloc.geometry.rigid import skew

_MAX_POINTS = 20_000
_MIN_POINTS = 200
_MIN_DETERMINED = 1e-2  # eigenvalues below this share of the largest say nothing


def align_depth_maps(
    depth_map0: Tensor,
    K0: Tensor,
    depth_map1: Tensor,
    K1: Tensor,
    R: Tensor,
    t: Tensor,
    max_error_m: float,
    steps: int = 20,
) -> tuple[Tensor, Tensor]:
    """Slide the surface of view 0 onto that of view 1: projective association, point-to-plane error, Tukey's weights.

    Directions that the surfaces do not determine (sliding along a single plane) stay as the given pose has them.

    Args:
        depth_map0, depth_map1: (H0, W0) and (H1, W1) metres, NaN or <= 0 where unknown.
        K0, K1: (3, 3) intrinsics of these maps' pixels.
        R, t: (3, 3) and (3,) metres, cam1_from_cam0 to start from.
        max_error_m: points farther than this from the surface are left out.

    Returns:
        R (3, 3) and t (3,); those given, where too little overlaps or nothing is gained.
    """
    points = _sample(depth_map0.to(R), K0)
    surface, normals = _surface(depth_map1.to(R), K1)
    scene = (points, surface, normals, K1)
    start, start_cost = (R, t), _cost(*_residuals(*scene, R, t, max_error_m)[:1], max_error_m, len(points))
    for _ in range(steps):
        residuals, moved, planes = _residuals(*scene, R, t, max_error_m)
        if len(residuals) < _MIN_POINTS:
            return start
        weights = (1 - (residuals / max_error_m).square()).square()
        centre = moved.mean(dim=0)
        J = torch.cat([torch.linalg.cross(moved - centre, planes), planes], dim=-1)
        H, g = J.mT @ (weights[:, None] * J), J.mT @ (weights * residuals)
        eigenvalues, axes = torch.linalg.eigh(H)
        inverse = torch.where(eigenvalues > _MIN_DETERMINED * eigenvalues[-1], 1 / eigenvalues, 0.0)
        delta = -(axes @ (inverse * (axes.mT @ g)))
        turn = torch.linalg.matrix_exp(skew(delta[:3]))
        R, t = turn @ R, turn @ (t - centre) + centre + delta[3:]
        if float(delta.abs().max()) < 1e-6:
            break
    better = _cost(*_residuals(*scene, R, t, max_error_m)[:1], max_error_m, len(points)) < start_cost
    return (R, t) if better else start


def _sample(depth_map: Tensor, K: Tensor) -> Tensor:
    """(P, 3) points on a regular grid, P <= _MAX_POINTS or so."""
    height, width = depth_map.shape
    stride = max(round((height * width / _MAX_POINTS) ** 0.5), 1)
    v, u = torch.meshgrid(
        torch.arange(stride // 2, height, stride), torch.arange(stride // 2, width, stride), indexing="ij"
    )
    depths = depth_map[v, u].flatten()
    pixels = torch.stack([u, v], dim=-1).reshape(-1, 2).to(depth_map)
    known = torch.isfinite(depths) & (depths > 0)
    return backproject(pixels[known], depths[known], K)


def _surface(depth_map: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Points (H, W, 3) and unit normals (H, W, 3) from differences over two pixels; NaN where unknown."""
    height, width = depth_map.shape
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([u, v], dim=-1).reshape(-1, 2).to(depth_map)
    depths = torch.where(depth_map > 0, depth_map, torch.nan).flatten()
    points = backproject(pixels, depths, K).reshape(height, width, 3)
    normals = torch.full_like(points, torch.nan)
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    normals[1:-1, 1:-1] = torch.nn.functional.normalize(torch.linalg.cross(across, down), dim=-1)
    return points, normals


def _residuals(
    points: Tensor, surface: Tensor, normals: Tensor, K1: Tensor, R: Tensor, t: Tensor, max_error_m: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (P,) to the surface, the points moved (P, 3) and the surface's normals (P, 3), where they overlap."""
    moved = transform(R, t, points)
    moved = moved[moved[:, 2] > 1e-3]
    image = moved @ K1.mT
    u, v = torch.round(image[:, :2] / image[:, 2:]).long().unbind(dim=-1)
    height, width = surface.shape[:2]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    moved, u, v = moved[inside], u[inside], v[inside]
    offsets, planes = moved - surface[v, u], normals[v, u]
    residuals = (offsets * planes).sum(dim=-1)
    near = (residuals.abs() < max_error_m) & (torch.linalg.vector_norm(offsets, dim=-1) < 2 * max_error_m)
    return residuals[near], moved[near], planes[near]


def _cost(residuals: Tensor, max_error_m: float, num_points: int) -> float:
    """Truncated squared error: a point without partner costs as much as one at the limit."""
    return float((residuals / max_error_m).square().sum()) + num_points - len(residuals)

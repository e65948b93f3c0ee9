"""Dense alignment of two depth maps from a pose that is already close: small_gicp's GICP."""

import cv2
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry import backproject
from mickey_hloc.geometry.rigid import skew

_MAX_POINTS = 20_000
_MIN_POINTS = 200
_VOXEL_M = 0.03  # of the points that are aligned
_NEIGHBOURS = 20  # whose spread tells the surface at a point
_MIN_DETERMINED = 1e-2  # eigenvalues below this share of the largest say nothing
_MAX_STEPS = 20
_TOLERANCE = 1e-5  # radians and metres of the last step


def align_depth_maps(
    depth_map0: Tensor, K0: Tensor, depth_map1: Tensor, K1: Tensor, R: Tensor, t: Tensor, max_error_m: float
) -> tuple[Tensor, Tensor]:
    """Slide the surface of view 0 onto that of view 1.

    Directions that the surfaces do not determine (sliding along a single plane) stay as the given pose has them.

    Args:
        depth_map0, depth_map1: (H0, W0) and (H1, W1) metres, NaN or <= 0 where unknown.
        K0, K1: (3, 3) intrinsics of these maps' pixels.
        R, t: (3, 3) and (3,) metres, cam1_from_cam0 to start from.
        max_error_m: points farther than this from the other surface are left out.

    Returns:
        R (3, 3) and t (3,); those given, where too little overlaps.

    Raises:
        MissingDependencyError: small_gicp is not installed.
    """
    try:
        import small_gicp
    except ImportError as error:
        raise MissingDependencyError("Option icp needs small_gicp: pip install 'mickey-hloc[solvers]'.") from error
    given = np.eye(4)
    given[:3, :3], given[:3, 3] = R.double().cpu().numpy(), t.double().cpu().numpy()
    views = ((depth_map0, K0), (depth_map1, K1))
    points = [_points(depth_map.double().cpu(), K.double().cpu()) for depth_map, K in views]
    if min(map(len, points)) < _MIN_POINTS:
        return R, t
    clouds = [small_gicp.preprocess_points(cloud, _VOXEL_M, _NEIGHBOURS, num_threads=1) for cloud in points]
    (source, _), (target, tree) = clouds
    limits = {"max_correspondence_distance": max_error_m, "max_iterations": _MAX_STEPS, "num_threads": 1}
    epsilons = {"rotation_epsilon": _TOLERANCE, "translation_epsilon": _TOLERANCE}
    found = small_gicp.align(target, source, tree, given, **limits, **epsilons)
    if found.num_inliers < _MIN_POINTS or not np.isfinite(found.T_target_source).all():
        return R, t
    motion = np.linalg.inv(given) @ found.T_target_source
    aligned = given @ _determined(motion, found.H, points[0].mean(axis=0))
    return torch.from_numpy(aligned[:3, :3]).to(R), torch.from_numpy(aligned[:3, 3]).to(t)


def _determined(motion: np.ndarray, H: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The part of a small rigid motion (4, 4) that the information (6, 6; rotation first) knows.

    Turning about the points' centre, not about the camera, rotation and translation hardly depend on each other.
    """
    about_centre = np.eye(6)
    about_centre[3:, :3] = skew(torch.from_numpy(centre)).numpy()
    eigenvalues, axes = np.linalg.eigh(about_centre.T @ H @ about_centre)
    known = axes[:, eigenvalues > _MIN_DETERMINED * eigenvalues[-1]]
    moved = motion[:3, :3] @ centre + motion[:3, 3] - centre
    step = known @ known.T @ np.concatenate([cv2.Rodrigues(motion[:3, :3])[0][:, 0], moved])
    kept = np.eye(4)
    kept[:3, :3] = cv2.Rodrigues(step[:3])[0]
    kept[:3, 3] = centre + step[3:] - kept[:3, :3] @ centre
    return kept


def _points(depth_map: Tensor, K: Tensor) -> np.ndarray:
    """(P, 3) points on a regular grid, P <= _MAX_POINTS or so."""
    height, width = depth_map.shape
    stride = max(round((height * width / _MAX_POINTS) ** 0.5), 1)
    v, u = torch.meshgrid(
        torch.arange(stride // 2, height, stride), torch.arange(stride // 2, width, stride), indexing="ij"
    )
    depths = depth_map[v, u].flatten()
    known = torch.isfinite(depths) & (depths > 0)
    pixels = torch.stack([u, v], dim=-1).reshape(-1, 2).double()
    return backproject(pixels[known], depths[known], K).numpy()

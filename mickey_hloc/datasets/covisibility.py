"""How much two views share, from their poses alone: no depth and no matches are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mickey_hloc.geometry import inverse, transform
from mickey_hloc.io.intrinsics import Intrinsics


def frustum_points(camera: Intrinsics, near_m: float, far_m: float, steps: int = 6) -> np.ndarray:
    """(steps^3, 3) points that fill a camera's viewing frustum between two depths, metres."""
    inside = (np.arange(steps) + 0.5) / steps
    u, v, z = np.meshgrid(
        inside * camera.width - 0.5, inside * camera.height - 0.5, near_m + inside * (far_m - near_m), indexing="ij"
    )
    rays = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ np.linalg.inv(camera.K).T
    return rays * z.reshape(-1, 1)


def frustum_overlaps(
    cameras: Sequence[Intrinsics], cam_from_world: np.ndarray, near_m: float, far_m: float
) -> Iterator[np.ndarray]:
    """Overlap of each view with all views after it, row by row.

    The overlap of two views is the smaller share, of the two directions, of one frustum's points that the other camera
    has in its image, between half the near and twice the far depth. Walls are not known: views of two sides of a wall
    overlap too.

    Args:
        cameras: N. cam_from_world: (N, 3, 4), metres. near_m, far_m: depths of the scene.

    Yields:
        For i = 0 .. N - 1: (N - 1 - i,) overlaps in [0, 1] of the pairs (i, i + 1), (i, i + 2), ...
    """
    R, t = cam_from_world[:, :, :3], cam_from_world[:, :, 3]
    world_from_cam = inverse(R, t)
    in_world = transform(*world_from_cam, np.stack([frustum_points(camera, near_m, far_m) for camera in cameras]))
    K = np.stack([c.K for c in cameras])
    sizes = np.array([[c.width, c.height] for c in cameras], dtype=np.float64)
    limits = (near_m / 2.0, far_m * 2.0)
    for i in range(len(cameras)):
        later = slice(i + 1, None)
        forward = _share_inside(in_world[i][None], R[later], t[later], K[later], sizes[later], limits)
        back = _share_inside(in_world[later], R[i][None], t[i][None], K[i][None], sizes[i][None], limits)
        yield np.minimum(forward, back)


def _share_inside(
    points: np.ndarray, R: np.ndarray, t: np.ndarray, K: np.ndarray, size: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    """(N, P, 3) points of the world, N cameras -> (N,) share of the points in the image and between the depths."""
    X = transform(R, t, points)
    image = X @ K.swapaxes(1, 2)
    z = image[..., 2]
    pixels = image[..., :2] / np.maximum(z, 1e-6)[..., None] + 0.5
    inside = ((pixels >= 0) & (pixels <= size[:, None])).all(axis=-1) & (z > limits[0]) & (z < limits[1])
    return inside.mean(axis=1)

"""The surface behind pixels of a model's image: a plane through the points around, or through depths around."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import COLMAP_CENTRE

TOLERANCE = 0.02  # share of the depth within which a point belongs to a plane
LEAST_STD = 0.002  # share of the depth: no plane through a model's points is surer
MIN_POINTS = 6
_TRIPLES = 300


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in front of a camera: the inverse of its depth is linear in the image.

    Attributes:
        inverse_depth: (3,) a, with 1 / depth = a . (x, y, 1) at normalised image coordinates x, y.
        covariance: (3, 3) of it.
        num_points: that lie on it.
        residual: relative standard deviation of their depths about it.
    """

    inverse_depth: np.ndarray
    covariance: np.ndarray
    num_points: int
    residual: float

    def depths(self, rays: np.ndarray) -> np.ndarray:
        """(N,) depths along (N, 3) rays with z = 1; NaN where the plane is not in front of the camera."""
        inverse = rays @ self.inverse_depth
        return np.where(inverse > 0, 1.0 / np.where(inverse > 0, inverse, 1.0), np.nan)


def pixel_rays(camera: pycolmap.Camera, pixels: np.ndarray) -> np.ndarray:
    """(N, 2) pixels, centres at integers, to (N, 3) rays with z = 1; NaN where the camera has none."""
    found = np.asarray(camera.cam_from_img(np.atleast_2d(pixels) + COLMAP_CENTRE), dtype=np.float64)
    found = found.reshape(len(np.atleast_2d(pixels)), -1)[:, :2]
    return np.concatenate([found, np.ones((len(found), 1))], axis=1)


def fit_plane(rays: np.ndarray, depths: np.ndarray, weights: np.ndarray, seed: int = 0) -> tuple[Plane, np.ndarray]:
    """The plane that most of the weight lies on, and which points do.

    Args:
        rays: (N, 3) with z = 1. depths: (N,) > 0. weights: (N,) how much each counts, e.g. for being near.

    Raises:
        InputError: fewer than 3 points, or all on a line.
    """
    inverse = 1.0 / depths
    triples = _triples(len(rays), seed)
    if len(triples):
        triples = triples[np.abs(np.linalg.det(rays[triples])) > 1e-9]
    if not len(triples):
        raise InputError("The points around are on a line, or fewer than 3: no plane lies through them.")
    candidates = np.linalg.solve(rays[triples], inverse[triples][..., None])[..., 0]
    on_plane = np.abs(candidates @ rays.T * depths - 1) < TOLERANCE
    best = on_plane[(on_plane * weights).sum(axis=1).argmax()]
    for _ in range(5):
        plane = _least_squares(rays[best], depths[best], weights[best])
        again = np.abs(rays @ plane.inverse_depth * depths - 1) < TOLERANCE
        if again.sum() < 3 or bool((again == best).all()):
            break
        best = again
    return plane, best


def facing_plane(depths: np.ndarray) -> Plane:
    """The plane that faces the camera at the median of (N,) depths, as unsure as they scatter."""
    depth = float(np.median(depths))
    residual = max(float(np.ptp(depths)) / depth, LEAST_STD)
    return Plane(np.array([0.0, 0.0, 1.0 / depth]), np.diag([0.0, 0.0, (residual / depth) ** 2]), len(depths), residual)


def _triples(count: int, seed: int) -> np.ndarray:
    """(T, 3) indices: all triples where they are few, else random ones."""
    if math.comb(count, 3) <= _TRIPLES:
        return np.array(list(itertools.combinations(range(count), 3)), dtype=np.int64).reshape(-1, 3)
    return np.random.default_rng(seed).random((_TRIPLES, count)).argpartition(2, axis=1)[:, :3]


def _least_squares(rays: np.ndarray, depths: np.ndarray, weights: np.ndarray) -> Plane:
    """Relative errors of the depths are minimised: rows a . ray * depth = 1."""
    rows = rays * depths[:, None] * np.sqrt(weights)[:, None]
    right = np.sqrt(weights)
    # Far less than any point says: it only keeps points on a line from giving no plane at all.
    ridge = 1e-10 * np.trace(rows.T @ rows) * np.eye(3)
    H = np.linalg.inv(rows.T @ rows + ridge)
    a = H @ rows.T @ right
    errors = rays @ a * depths - 1
    effective = weights.sum() ** 2 / (weights**2).sum()
    variance = float((weights * errors**2).sum() / weights.sum()) * effective / max(effective - 3, 1.0)
    variance = max(variance, LEAST_STD**2)
    # Of weighted least squares with errors of equal variance.
    middle = (rows * weights[:, None]).T @ rows
    return Plane(a, variance * H @ middle @ H, len(rays), float(np.sqrt(variance)))


def around(keypoints: np.ndarray, pixel: np.ndarray, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the nearest (N, 2) keypoints to a pixel (2,), and weights that fall with their distance."""
    distances = np.linalg.norm(keypoints - pixel, axis=1)
    nearest = np.argsort(distances, kind="stable")[:count]
    reach = distances[nearest[min(len(nearest), MIN_POINTS) - 1]] + 1.0
    return nearest, 1.0 / (1.0 + (distances[nearest] / reach) ** 2)


def near_segment(keypoints: np.ndarray, pixels: np.ndarray, reach_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the (N, 2) keypoints within reach of the line between two pixels (2, 2), and weights."""
    start, along = pixels[0], pixels[1] - pixels[0]
    share = np.clip((keypoints - start) @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
    distances = np.linalg.norm(keypoints - start - share[:, None] * along, axis=1)
    chosen = np.flatnonzero(distances <= reach_px)
    return chosen, 1.0 / (1.0 + (3 * distances[chosen] / reach_px) ** 2)

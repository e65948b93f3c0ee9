"""A camera as something to draw: the pyramid of its field of view, with its photo on the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pycolmap

MESH = 56  # vertices along the photo's longer side


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """A camera to draw.

    Attributes:
        name: in the legend.
        K: (3, 3) pixels.
        image_size: (width, height) pixels.
        cam_from_world: pose, metres.
        image: (H, W, 3) uint8, drawn on the base of the pyramid. None: only its edges.
        color: of the edges; empty: the next of the palette.
        dash: of the edges, e.g. "dash" for what is not an estimate.
    """

    name: str
    K: np.ndarray
    image_size: tuple[int, int]
    cam_from_world: pycolmap.Rigid3d
    image: np.ndarray | None = None
    color: str = ""
    dash: str = "solid"

    @property
    def centre(self) -> np.ndarray:
        """(3,) metres, world frame."""
        return np.asarray(self.cam_from_world.inverse().translation)


def frustum_lines(camera: SceneCamera, size_m: float) -> np.ndarray:
    """(L, 3) metres, world frame: a polyline with NaN gaps along the edges of the field of view.

    Args:
        size_m: distance of the picture from the camera's centre. A mark shows which side is up.
    """
    width, height = camera.image_size
    # the picture's outer corners; pixel centres are at integers
    left, right, top, bottom = -0.5, width - 0.5, -0.5, height - 0.5
    middle = (left + right) / 2
    pixels = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (middle, top - 0.12 * height)])
    a, b, c, d, up = _in_world(camera, pixels, size_m)
    gap = np.full(3, np.nan)
    centre = camera.centre
    return np.array([centre, a, b, centre, c, d, centre, gap, a, d, gap, b, c, gap, a, up, b])


def photo_mesh(camera: SceneCamera, size_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The photo as coloured triangles on the base of the pyramid.

    Returns:
        Vertices (V, 3) metres in the world frame, triangles (T, 3) of their indices, colours (V, 3) uint8.

    Raises:
        ValueError: the camera has no photo.
    """
    if camera.image is None:
        raise ValueError(f"{camera.name} has no photo")
    width, height = camera.image_size
    scale = MESH / max(width, height)
    columns, rows = max(2, round(width * scale)), max(2, round(height * scale))
    colors = cv2.resize(camera.image, (columns, rows), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    u, v = np.meshgrid(np.linspace(-0.5, width - 0.5, columns), np.linspace(-0.5, height - 0.5, rows))
    vertices = _in_world(camera, np.column_stack([u.ravel(), v.ravel()]), size_m)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    first = np.column_stack([corner, corner + 1, corner + columns])
    second = np.column_stack([corner + 1, corner + columns + 1, corner + columns])
    return vertices, np.concatenate([first, second]), colors


def camera_size_m(cameras: Sequence[SceneCamera], positions: np.ndarray) -> float:
    """Metres: large enough to be seen beside the points (N, 3), small enough not to hide them or each other."""
    centres = np.array([camera.centre for camera in cameras]).reshape(-1, 3)
    if len(positions) and len(centres):
        return float(np.clip(0.15 * np.median(np.linalg.norm(positions - centres.mean(axis=0), axis=1)), 0.02, 2.0))
    return 0.2


def _in_world(camera: SceneCamera, pixels: np.ndarray, depth_m: float) -> np.ndarray:
    """(N, 3) of (N, 2) pixels at a depth."""
    rays = np.linalg.solve(camera.K, np.column_stack([pixels, np.ones(len(pixels))]).T).T
    world_from_cam = camera.cam_from_world.inverse()
    return np.asarray(depth_m * rays @ world_from_cam.rotation.matrix().T + world_from_cam.translation)

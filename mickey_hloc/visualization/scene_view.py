"""How a 3-D scene is first seen: all of it within the picture, from behind and above its cameras, lengths true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mickey_hloc.visualization.frustum import SceneCamera

_HALF_FOV = math.pi / 8  # of plotly's perspective camera, vertically
_FILLED = 0.74  # share of the picture's half height that the box may take; axes and their numbers stand around it
_STEPS = np.array([-0.4, -0.75, -1.7])  # from the middle to the eye: to the left, up, back, in a camera's axes
ASPECTS = (1.8, 1.4, 1.1, 0.9, 0.75, 0.6)
_MANY = 200  # points, of which a few far ones must not make the others small


def first_look(
    cameras: Sequence[SceneCamera], points: np.ndarray, drawn: np.ndarray
) -> tuple[dict[str, Any], list[list[float]]]:
    """Plotly's settings of a scene: ranges and proportions of the axes, and where the eye is in a wide picture.

    Args:
        cameras: x right, y down, z forward; how they stand decides what is up.
        points: (N, 3) metres; where there are many, the farthest 2 % do not widen the ranges by much.
        drawn: (M, 3) metres of cameras and whatever else has to be seen whole.

    Returns:
        The settings, and for pictures of other proportions (width over height, falling) how many times as far the eye
        has to be.
    """
    low, high = _ranges(points, drawn)
    extents = high - low
    ratio = extents / extents.max()
    back = _axes_of(cameras) @ _STEPS
    back /= np.linalg.norm(back)
    up = -_axes_of(cameras)[:, 1]
    distances = [_distance(ratio, back, up, aspect) for aspect in ASPECTS]
    eye = back * distances[0]
    settings: dict[str, Any] = {
        f"{axis}axis": {"range": [float(low[i]), float(high[i])], "nticks": 5} for i, axis in enumerate("xyz")
    }
    camera = {"up": _xyz(up), "eye": _xyz(eye)}
    farther = [[aspect, distance / distances[0]] for aspect, distance in zip(ASPECTS, distances, strict=True)]
    return {**settings, "aspectmode": "manual", "aspectratio": _xyz(ratio), "camera": camera}, farther


def _ranges(points: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of each axis, with some room around."""
    points, drawn = (rows[np.isfinite(rows).all(axis=1)] for rows in (points, drawn))
    lows, highs = [], []
    if len(points):
        low, high = points.min(axis=0), points.max(axis=0)
        if len(points) >= _MANY:
            most = np.percentile(points, [1, 99], axis=0)
            room = 0.2 * (most[1] - most[0])
            low, high = np.maximum(low, most[0] - room), np.minimum(high, most[1] + room)
        lows.append(low)
        highs.append(high)
    if len(drawn):
        lows.append(drawn.min(axis=0))
        highs.append(drawn.max(axis=0))
    if not lows:
        return np.full(3, -1.0), np.full(3, 1.0)
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    # a flat scene gets some depth, else its axes' numbers would stand on each other
    smallest = max(0.25 * float((high - low).max()), 1e-6)
    lacking = np.maximum(smallest - (high - low), 0.0) / 2
    room = 0.03 * (high - low)
    return low - lacking - room, high + lacking + room


def _axes_of(cameras: Sequence[SceneCamera]) -> np.ndarray:
    """(3, 3): right, down and forward of the cameras together as columns; of the world where there are none."""
    if not cameras:
        return np.eye(3)
    world_from_cam = [np.asarray(camera.cam_from_world.inverse().rotation.matrix()) for camera in cameras]
    down = np.mean([R[:, 1] for R in world_from_cam], axis=0)
    if np.linalg.norm(down) < 0.3:  # they are turned about their view: no side of theirs is up
        return world_from_cam[0]
    down /= np.linalg.norm(down)
    for forward in (np.mean([R[:, 2] for R in world_from_cam], axis=0), *(R[:, 2] for R in world_from_cam)):
        level = forward - (forward @ down) * down
        if np.linalg.norm(level) > 0.3:  # else they look at each other, or straight up or down
            level /= np.linalg.norm(level)
            return np.column_stack([np.cross(down, level), down, level])
    return world_from_cam[0]


def _distance(ratio: np.ndarray, back: np.ndarray, up: np.ndarray, aspect: float) -> float:
    """How far the eye is from the middle of a box of these proportions, so that a picture of an aspect holds it."""
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    above = np.cross(back, right)
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * ratio
    wide = np.maximum(np.abs(corners @ right) / aspect, np.abs(corners @ above))
    return float((corners @ back + wide / (_FILLED * math.tan(_HALF_FOV))).max())


def _xyz(vector: np.ndarray) -> dict[str, float]:
    return {axis: float(value) for axis, value in zip("xyz", vector, strict=True)}

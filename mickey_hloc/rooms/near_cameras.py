"""Cameras as people hold them: an arm's length to a few steps from things, looking down at them, a little askew."""

from __future__ import annotations

import numpy as np

from mickey_hloc.geometry import camera_centres, relative_motion
from mickey_hloc.rooms.cameras import PairOptions, is_free, look, pose_at, random_turn
from mickey_hloc.rooms.scene import Room

Rng = np.random.Generator
# Shares of looks at something small, and at any thing; the others go anywhere on floor and walls.
_AT_SMALL, _AT_ANY = 0.7, 0.92
_SMALL_M = 0.8


def draw_near_poses(rng: Rng, room: Room, options: PairOptions) -> tuple[np.ndarray, np.ndarray] | None:
    """As ``cameras.draw_poses``: the first camera is near a thing and looks at it, the second is its neighbour."""
    target = _draw_target(rng, room)
    distance = rng.uniform(*options.distance_m)
    azimuth, up = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*options.elevation_deg))
    away = np.array([np.cos(up) * np.cos(azimuth), np.cos(up) * np.sin(azimuth), np.sin(up)])
    centre = target + distance * away
    high = options.height_m[0] <= centre[2] <= min(options.height_m[1], room.size[2] - 0.25)
    if not high or not is_free(room, centre, options.clearance_m):
        return None
    # Not quite at its middle: the axis passes it by up to a quarter of the distance.
    x, y, z = target + rng.uniform(-0.25, 0.25, 3) * distance - centre
    pitch, roll = np.arctan2(z, np.hypot(x, y)), np.radians(rng.uniform(*options.roll_deg))
    first = look(centre, float(np.arctan2(y, x)), float(pitch), roll)
    second = draw_near_neighbour(rng, room, first, options)
    return None if second is None else (first, second)


def draw_near_neighbour(rng: Rng, room: Room, cam0_from_world: np.ndarray, options: PairOptions) -> np.ndarray | None:
    """As ``cameras.draw_neighbour``, but partly turned back to what the first camera looks at."""
    R0, ceiling = cam0_from_world[:, :3], room.size[2] - 0.25
    step = rng.normal(size=3) * [1.0, 1.0, 0.6]
    first = camera_centres(R0, cam0_from_world[:, 3])
    second = first + step / np.linalg.norm(step) * rng.uniform(*options.baseline_m)
    if second[2] > ceiling or not is_free(room, second, options.clearance_m):
        return None
    target = first + rng.uniform(*options.distance_m) * R0[2]
    R = random_turn(rng, np.radians(rng.uniform(*options.rotation_deg))) @ _turn_towards(
        R0, second, target, rng.uniform(0.0, 1.0)
    )
    pose = pose_at(R, second)
    return pose if options.rotation_deg[0] <= _turned_deg(cam0_from_world, pose) <= options.rotation_deg[1] else None


def _draw_target(rng: Rng, room: Room) -> np.ndarray:
    """(3,) a point to look at, metres: one of the room's things, mostly, or a point of its floor or walls."""
    size = np.array(room.size)
    kind = rng.random()
    small = [box for box in room.boxes if max(box.size) < _SMALL_M]
    things = small if small and kind < _AT_SMALL else room.boxes
    if things and kind < _AT_ANY:
        # The higher of two: most of what people look at stands on furniture.
        box = max((things[int(k)] for k in rng.integers(len(things), size=2)), key=lambda b: b.centre[2])
        target = np.array(box.centre) + rng.normal(size=3) * 0.15
    else:
        target = rng.uniform(0.0, 1.0, 3) * size
        axis = int(rng.integers(3))
        target[axis] = 0.0 if axis == 2 else round(rng.random()) * size[axis]
    return np.clip(target, 0.0, [*size[:2], min(size[2], 2.0)])


def _turn_towards(R: np.ndarray, centre: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
    """(3, 3) cam_from_world rotation R, turned by ``share`` of the angle that brings ``target`` onto the axis."""
    direction = R @ (target - centre)
    direction /= np.linalg.norm(direction)
    axis = np.cross(direction, [0.0, 0.0, 1.0])
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return R
    x, y, z = axis / sine
    angle = share * np.arctan2(sine, direction[2])
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turn: np.ndarray = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return turn @ R


def _turned_deg(cam0_from_world: np.ndarray, cam1_from_world: np.ndarray) -> float:
    """Angle between two cameras, degrees."""
    R = relative_motion(cam0_from_world, cam1_from_world)[:, :3]
    return float(np.degrees(np.arccos(np.clip(0.5 * (np.trace(R) - 1.0), -1.0, 1.0))))

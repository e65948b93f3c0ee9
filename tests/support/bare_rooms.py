"""Small rooms and a second, naive ray caster to compare with."""

import numpy as np

from mickey_hloc.rooms.scene import Box, Lamp, Material, Room

PLAIN = Material("paint", ((0.7, 0.7, 0.7),), (0.1,))


def bare_room(*boxes: Box, size: tuple[float, float, float] = (4.0, 3.0, 2.5), material: Material = PLAIN) -> Room:
    """A room of one material with a lamp under its ceiling."""
    lamp = Lamp((size[0] / 2, size[1] / 2, size[2] - 0.2), (1.0, 1.0, 1.0), 2.0)
    return Room(size, (material,) * 6, boxes, (lamp,), seed=3)


def intrinsics(width: int, height: int, focal: float) -> np.ndarray:
    return np.array([[focal, 0.0, 0.5 * (width - 1)], [0.0, focal, 0.5 * (height - 1)], [0.0, 0.0, 1.0]])


def naive_depth(room: Room, centre: np.ndarray, direction: np.ndarray) -> float:
    """Smallest t > 0 at which centre + t direction meets a face of the room or of a box, face by face, in float64."""
    best = np.inf
    for axis in range(3):
        for wall in (0.0, room.size[axis]):
            t = (wall - centre[axis]) / direction[axis]
            if t > 0:
                best = min(best, t)
    for box in room.boxes:
        half = np.array(box.size) / 2
        c, s = np.cos(box.yaw), np.sin(box.yaw)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        o, d = turn @ (centre - np.array(box.centre)), turn @ direction
        for axis in range(3):
            for side in (-half[axis], half[axis]):
                t = (side - o[axis]) / d[axis]
                hit = o + t * d
                others = [k for k in range(3) if k != axis]
                if 0 < t < best and all(abs(hit[k]) <= half[k] for k in others):
                    best = t
    return float(best)


def rays(view_K: np.ndarray, cam_from_world: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera centre (3,) and directions (N, 3) with camera z = 1 through pixels (N, 2)."""
    R, t = cam_from_world[:, :3], cam_from_world[:, 3]
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
    return -R.T @ t, homogeneous @ np.linalg.inv(view_K).T @ R

"""Where cameras stand in a room, and how much of one view another one sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mickey_hloc.geometry import camera_centres, translations
from mickey_hloc.rooms.raycast import CameraRays, cast
from mickey_hloc.rooms.scene import Room

Rng = np.random.Generator
Range = tuple[float, float]


@dataclass(frozen=True)
class PairOptions:
    """How pairs of views are drawn; ranges are (low, high), drawn uniformly.

    Attributes:
        fov_deg: field of view of the longer image side, degrees.
        same_focal: both views have the same K; else each draws its own.
        principal_shift: the principal point lies up to this share of the image size off its middle.
        height_m: of the first camera over the floor (both stay 25 cm below the ceiling), metres.
        pitch_deg: of the first camera, degrees, up = positive.
        roll_deg: of the first camera, degrees.
        baseline_m: distance between the cameras, metres.
        rotation_deg: angle between the cameras, degrees.
        overlap: share of each view's pixels that the other view sees.
        clearance_m: of the cameras from walls and furniture, metres.
        min_median_depth_m: a view whose median depth is smaller stares at a wall, metres.
        min_near_depth_m: at most 5 % of a view's pixels may be nearer, metres.
        supersample: n x n rays a pixel (see ``render``).
        max_tries: attempts to place the pair in one room before another room is taken.
        style: which rooms and cameras, see ``styles``; ``near`` and ``tilted`` have ``styles.NEAR`` and
            ``styles.TILTED`` for the other options.
        distance_m: near: of the first camera from the thing that it looks at, metres.
        elevation_deg: near: of the first camera over that thing, degrees.
    """

    fov_deg: Range = (45.0, 80.0)
    same_focal: bool = True
    principal_shift: float = 0.01
    height_m: Range = (0.8, 2.0)
    pitch_deg: Range = (-35.0, 10.0)
    roll_deg: Range = (-5.0, 5.0)
    baseline_m: Range = (0.1, 1.2)
    rotation_deg: Range = (0.0, 30.0)
    overlap: Range = (0.4, 0.95)
    clearance_m: float = 0.2
    min_median_depth_m: float = 1.2
    min_near_depth_m: float = 0.35
    supersample: int = 1
    max_tries: int = 200
    style: Literal["room", "tilted", "near"] = "room"
    distance_m: Range = (0.4, 3.0)
    elevation_deg: Range = (5.0, 65.0)

    def __post_init__(self) -> None:
        ranges = ("fov_deg", "height_m", "pitch_deg", "roll_deg", "baseline_m", "rotation_deg", "overlap")
        for name in (*ranges, "distance_m", "elevation_deg"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} must be (low, high) with low <= high, got ({low}, {high})")
        if not 0.0 < self.fov_deg[0] <= self.fov_deg[1] < 170.0:
            raise ValueError(f"fov_deg must lie between 0 and 170 degrees, got {self.fov_deg}")
        if not self.distance_m[0] > 0.0:
            raise ValueError(f"distance_m must be positive, got {self.distance_m}")
        if self.supersample < 1 or self.max_tries < 1:
            raise ValueError("supersample and max_tries must be at least 1")


def draw_intrinsics(rng: Rng, size_wh: tuple[int, int], options: PairOptions) -> np.ndarray:
    """(3, 3) K; the middle of the image is ((W - 1) / 2, (H - 1) / 2) as pixel centres lie at integers."""
    width, height = size_wh
    focal = 0.5 * max(size_wh) / np.tan(np.radians(0.5 * rng.uniform(*options.fov_deg)))
    shift = rng.uniform(-options.principal_shift, options.principal_shift, 2)
    cx, cy = 0.5 * (width - 1) + shift[0] * width, 0.5 * (height - 1) + shift[1] * height
    return np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]])


def look(centre: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 4) cam_from_world of a camera at ``centre`` (metres) looking along yaw and pitch (radians, world z is up)."""
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    upright = np.stack([right, np.cross(forward, right), forward])
    c, s = np.cos(roll), np.sin(roll)
    return pose_at(np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ upright, centre)


def pose_at(R: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(3, 4) cam_from_world of a camera at ``centre`` (3,) with the rotation R (3, 3)."""
    return np.concatenate([R, translations(R, centre)[:, None]], axis=1)


def random_turn(rng: Rng, angle: float) -> np.ndarray:
    """(3, 3) rotation by ``angle`` radians about a random axis, mostly the camera's vertical."""
    axis = rng.normal(size=3) * [0.4, 1.0, 0.3]
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def is_free(room: Room, centre: np.ndarray, clearance: float) -> bool:
    """Whether a point (3,) is inside the room and at least ``clearance`` metres from walls and boxes."""
    if bool((centre < clearance).any() or (centre > np.array(room.size) - clearance).any()):
        return False
    for box in room.boxes:
        outside = np.abs(box.box_from_world @ (centre - np.array(box.centre))) - 0.5 * np.array(box.size)
        if bool((outside < clearance).all()):
            return False
    return True


def draw_poses(rng: Rng, room: Room, options: PairOptions) -> tuple[np.ndarray, np.ndarray] | None:
    """Two cam_from_world (3, 4) with the baseline and rotation asked for, both in free space; None if that failed."""
    size = np.array(room.size)
    ceiling = size[2] - 0.25
    low, high = min(options.height_m[0], ceiling), min(options.height_m[1], ceiling)
    first = np.array([*rng.uniform(0.0, 1.0, 2) * size[:2], rng.uniform(low, high)])
    step = rng.normal(size=3) * [1.0, 1.0, 0.35]
    second = first + step / np.linalg.norm(step) * rng.uniform(*options.baseline_m)
    # Towards a random point of the room, so that corners do not see only their own walls.
    target = rng.uniform(0.15, 0.85, 2) * size[:2]
    yaw = np.arctan2(target[1] - first[1], target[0] - first[0]) + np.radians(rng.uniform(-20.0, 20.0))
    pitch, roll = np.radians(rng.uniform(*options.pitch_deg)), np.radians(rng.uniform(*options.roll_deg))
    turn = random_turn(rng, np.radians(rng.uniform(*options.rotation_deg)))
    if second[2] > ceiling or not all(is_free(room, c, options.clearance_m) for c in (first, second)):
        return None
    cam0_from_world = look(first, yaw, pitch, roll)
    return cam0_from_world, pose_at(turn @ cam0_from_world[:, :3], second)


def draw_neighbour(rng: Rng, room: Room, cam0_from_world: np.ndarray, options: PairOptions) -> np.ndarray | None:
    """cam_from_world (3, 4) of a second camera, with the baseline and rotation asked for from the first; None if that
    failed."""
    R0, ceiling = cam0_from_world[:, :3], room.size[2] - 0.25
    step = rng.normal(size=3) * [1.0, 1.0, 0.35]
    first = camera_centres(R0, cam0_from_world[:, 3])
    second = first + step / np.linalg.norm(step) * rng.uniform(*options.baseline_m)
    turn = random_turn(rng, np.radians(rng.uniform(*options.rotation_deg)))
    if second[2] > ceiling or not is_free(room, second, options.clearance_m):
        return None
    return pose_at(turn @ R0, second)


def covisible(
    depth0: np.ndarray, K0: np.ndarray, depth1: np.ndarray, K1: np.ndarray, cam1_from_cam0: np.ndarray
) -> np.ndarray:
    """Which pixels of view 0 are seen by view 1: inside its image and not behind what it sees there.

    A point is hidden when it lies behind all four pixels around its projection, by more than 0.1 %; on planes, whose
    inverse depth is linear in the image, that is exact, and at edges it is right to a pixel.

    Args:
        depth0, depth1: (H, W) metres along the optical axes; sizes may differ.
        K0, K1: (3, 3).
        cam1_from_cam0: (3, 4), metres.

    Returns:
        (H0, W0) bool.
    """
    height, width = depth1.shape
    x, y = np.meshgrid(np.arange(depth0.shape[1], dtype=np.float64), np.arange(depth0.shape[0], dtype=np.float64))
    A = K1 @ cam1_from_cam0[:, :3] @ np.linalg.inv(K0)
    b = K1 @ cam1_from_cam0[:, 3]
    u, v, z = (depth0 * (A[i, 0] * x + A[i, 1] * y + A[i, 2]) + b[i] for i in range(3))
    in_front = z > 1e-6
    z = np.where(in_front, z, 1.0)
    u, v = u / z, v / z
    inside = in_front & (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    column = np.clip(np.where(inside, u, 0.0).astype(np.int64), 0, max(width - 2, 0))
    row = np.clip(np.where(inside, v, 0.0).astype(np.int64), 0, max(height - 2, 0))
    padded = np.pad(depth1, ((0, int(height == 1)), (0, int(width == 1))), mode="edge")
    across = np.maximum(padded[:, 1:], padded[:, :-1])
    farthest = np.maximum(across[1:], across[:-1])
    return inside & (z <= 1.001 * farthest[row, column])


def preview(
    room: Room, K: np.ndarray, size_wh: tuple[int, int], pose: np.ndarray, width: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and K of a small version of a view: tells in a millisecond or two whether it is worth rendering."""
    scale = min(width / size_wh[0], 1.0)
    small = (max(round(size_wh[0] * scale), 1), max(round(size_wh[1] * scale), 1))
    sx, sy = small[0] / size_wh[0], small[1] / size_wh[1]
    small_K = np.array([[sx, 0.0, 0.5 * sx - 0.5], [0.0, sy, 0.5 * sy - 0.5], [0.0, 0.0, 1.0]]) @ K
    depth, _ = cast(room, CameraRays.of(small_K, small, pose))
    return depth, small_K

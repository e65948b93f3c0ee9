"""A walk through a room: views from many places around one thing, as somebody takes photos for a model."""

from __future__ import annotations

import numpy as np

from mickey_hloc.geometry import camera_centres
from mickey_hloc.rooms.cameras import PairOptions, draw_intrinsics, draw_poses, is_free, look, preview
from mickey_hloc.rooms.layout import RoomError, make_room
from mickey_hloc.rooms.rendering import RenderedView, render
from mickey_hloc.rooms.scene import Room

_MAX_ROOMS = 60
_WALK = PairOptions(fov_deg=(60.0, 66.0), height_m=(1.2, 1.7), pitch_deg=(-25.0, 0.0), roll_deg=(0.0, 0.0))


def sample_walk(
    seed: int,
    num_views: int = 12,
    size_wh: tuple[int, int] = (640, 480),
    step_m: float = 0.2,
    room: Room | None = None,
    options: PairOptions = _WALK,
) -> tuple[list[RenderedView], Room]:
    """Render views of a walk around what the first camera looks at; the same seed gives the same walk.

    Args:
        num_views: at least 2.
        step_m: typical distance between neighbouring cameras, metres.
        room: the room to use; default: drawn by the seed, and another where no walk fits into it.
        options: of the first camera; of the others its clearance and depths.

    Returns:
        The views, all with one K, and the room.

    Raises:
        RoomError: a negative seed, fewer than 2 views, or no walk fits.
    """
    if seed < 0 or num_views < 2 or min(size_wh) < 1:
        raise RoomError(f"A walk needs a seed of at least 0 and 2 views, got {seed} and {num_views}.")
    rng = np.random.default_rng([seed, 5])
    for _ in range(_MAX_ROOMS):
        where = make_room(int(rng.integers(1 << 62))) if room is None else room
        for _ in range(20):
            K = draw_intrinsics(rng, size_wh, options)
            poses = _draw_walk(rng, where, K, size_wh, num_views, step_m, options)
            if poses:
                return [render(where, K, size_wh, pose, options.supersample) for pose in poses], where
    raise RoomError("No walk fits into a room; ask for fewer or shorter steps.")


def _draw_walk(
    rng: np.random.Generator,
    room: Room,
    K: np.ndarray,
    size_wh: tuple[int, int],
    num_views: int,
    step_m: float,
    options: PairOptions,
) -> list[np.ndarray]:
    """cam_from_world (3, 4) of the cameras, empty where the walk leads into something."""
    first = draw_poses(rng, room, options)
    if first is None:
        return []
    pose = first[0]
    depth, _ = preview(room, K, size_wh, pose)
    if np.median(depth) < max(2.0, options.min_median_depth_m):
        return []
    centre = camera_centres(pose[:, :3], pose[:, 3])
    target = centre + pose[2, :3] * np.median(depth)
    poses = [pose]
    # Along an arc about the target, back and forth in height and distance.
    right = pose[0, :3] * [1.0, 1.0, 0.0]
    right /= np.linalg.norm(right)
    phase = rng.uniform(0, 2 * np.pi, 2)
    for number in range(1, num_views):
        away = 0.25 * np.sin(phase[0] + 0.9 * number) - 0.25 * np.sin(phase[0])
        up = 0.15 * np.sin(phase[1] + 1.3 * number) - 0.15 * np.sin(phase[1])
        place = centre + right * (step_m * number) + pose[2, :3] * away + np.array([0.0, 0.0, up])
        if not is_free(room, place, options.clearance_m):
            return []
        ray = target + rng.normal(size=3) * 0.1 - place
        yaw, pitch = np.arctan2(ray[1], ray[0]), np.arcsin(ray[2] / np.linalg.norm(ray))
        turned = look(place, yaw, pitch, np.radians(rng.uniform(-3.0, 3.0)))
        near, median = np.percentile(preview(room, K, size_wh, turned)[0], [5, 50])
        if near < options.min_near_depth_m or median < options.min_median_depth_m:
            return []
        poses.append(turned)
    return poses

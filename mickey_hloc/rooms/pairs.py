"""Pairs of overlapping views of a random room, with their true relative pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.geometry import inverse, relative_motion
from mickey_hloc.rooms.cameras import PairOptions, covisible, draw_intrinsics, preview
from mickey_hloc.rooms.layout import RoomError
from mickey_hloc.rooms.rendering import RenderedView, render
from mickey_hloc.rooms.scene import Room
from mickey_hloc.rooms.styles import STYLES

_MAX_ROOMS = 30


@dataclass(frozen=True, eq=False)
class RenderedPair:
    """Two views of one room.

    Attributes:
        view0, view1: the views.
        cam1_from_cam0: true relative pose, metres.
        overlap0, overlap1: share of the pixels of view 0 (1) that the other view sees, in [0, 1].
        room: what they show.
    """

    view0: RenderedView
    view1: RenderedView
    cam1_from_cam0: pycolmap.Rigid3d
    overlap0: float
    overlap1: float
    room: Room


def sample_pair(
    seed: int, size_wh: tuple[int, int] = (640, 480), options: PairOptions | None = None, room: Room | None = None
) -> RenderedPair:
    """Render two overlapping views of a random room; the same seed gives the same pair.

    Args:
        seed: any integer >= 0.
        size_wh: (width, height) of both images.
        options: how cameras are drawn.
        room: the room to use; default: one drawn by the seed, and another where the options cannot be met in it.

    Returns:
        The pair.

    Raises:
        RoomError: a negative seed, an empty image, or no pair meets the options.
    """
    if seed < 0 or min(size_wh) < 1:
        raise RoomError(f"A room needs a seed of at least 0 and an image of at least 1 x 1, got {seed} and {size_wh}.")
    options = options or PairOptions()
    rng = np.random.default_rng([seed, 2])
    for _ in range(_MAX_ROOMS if room is None else 1):
        where = STYLES[options.style].room(int(rng.integers(1 << 62))) if room is None else room
        for _ in range(options.max_tries):
            pair = _try_pair(rng, where, size_wh, options)
            if pair is not None:
                return pair
    raise RoomError(
        "No pair of views meets the options of the cameras; widen the ranges of overlap, baseline, rotation and depth, "
        "or lower the clearance."
    )


def _in_range(shares: tuple[float, float], options: PairOptions, slack: float = 0.0) -> bool:
    return all(options.overlap[0] - slack <= share <= options.overlap[1] + slack for share in shares)


def _overlaps(depths: list[np.ndarray], Ks: list[np.ndarray], cam1_from_cam0: np.ndarray) -> tuple[float, float]:
    R, t = inverse(cam1_from_cam0[:, :3], cam1_from_cam0[:, 3])
    cam0_from_cam1 = np.concatenate([R, t[:, None]], axis=1)
    return (
        float(covisible(depths[0], Ks[0], depths[1], Ks[1], cam1_from_cam0).mean()),
        float(covisible(depths[1], Ks[1], depths[0], Ks[0], cam0_from_cam1).mean()),
    )


def _try_pair(
    rng: np.random.Generator, room: Room, size_wh: tuple[int, int], options: PairOptions
) -> RenderedPair | None:
    """One attempt: draw cameras, check them on a small preview, render."""
    poses = STYLES[options.style].poses(rng, room, options)
    if poses is None:
        return None
    K = draw_intrinsics(rng, size_wh, options)
    Ks = [K, K if options.same_focal else draw_intrinsics(rng, size_wh, options)]
    cam1_from_cam0 = relative_motion(*poses)
    previews = []
    for K, pose in zip(Ks, poses, strict=True):
        depth, small_K = preview(room, K, size_wh, pose)
        near, median = np.percentile(depth, [5, 50])
        if near < options.min_near_depth_m or median < options.min_median_depth_m:
            return None
        previews.append((depth, small_K))
    # Cheap first: most draws fail here. Previews are a little coarse at edges, hence the slack.
    if not _in_range(_overlaps([d for d, _ in previews], [k for _, k in previews], cam1_from_cam0), options, 0.02):
        return None
    views = [render(room, K, size_wh, pose, options.supersample) for K, pose in zip(Ks, poses, strict=True)]
    overlaps = _overlaps([view.depth for view in views], Ks, cam1_from_cam0)
    if not _in_range(overlaps, options):
        return None
    return RenderedPair(views[0], views[1], pycolmap.Rigid3d(cam1_from_cam0), overlaps[0], overlaps[1], room)

"""Styles of views: which rooms are furnished how, and where cameras stand in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mickey_hloc.rooms.cameras import PairOptions, Rng, draw_neighbour, draw_poses
from mickey_hloc.rooms.layout import make_room
from mickey_hloc.rooms.lived_in import make_lived_in_room
from mickey_hloc.rooms.near_cameras import draw_near_neighbour, draw_near_poses
from mickey_hloc.rooms.scene import Room


@dataclass(frozen=True)
class Style:
    """How the views of a style are drawn.

    Attributes:
        room: a seed gives a room.
        poses: two cam_from_world (3, 4) in free space, or None where the draw failed.
        neighbour: cam_from_world (3, 4) of another camera beside a given one, or None.
        options: ranges that suit the style.
    """

    room: Callable[[int], Room]
    poses: Callable[[Rng, Room, PairOptions], tuple[np.ndarray, np.ndarray] | None]
    neighbour: Callable[[Rng, Room, np.ndarray, PairOptions], np.ndarray | None]
    options: PairOptions


ROOM = PairOptions()
NEAR = PairOptions(
    style="near",
    fov_deg=(50.0, 80.0),
    height_m=(0.3, 1.9),
    roll_deg=(-20.0, 20.0),
    baseline_m=(0.05, 0.8),
    rotation_deg=(0.0, 40.0),
    overlap=(0.3, 0.95),
    clearance_m=0.1,
    min_median_depth_m=0.5,
    min_near_depth_m=0.25,
    max_tries=1000,
)
TILTED = PairOptions(
    style="tilted",
    fov_deg=(50.0, 80.0),
    height_m=(0.5, 1.9),
    pitch_deg=(-55.0, 12.0),
    roll_deg=(-20.0, 20.0),
    baseline_m=(0.05, 0.9),
    rotation_deg=(0.0, 35.0),
    overlap=(0.35, 0.95),
    clearance_m=0.12,
    min_median_depth_m=0.55,
    min_near_depth_m=0.22,
)
STYLES = {
    "room": Style(make_room, draw_poses, draw_neighbour, ROOM),
    "tilted": Style(make_room, draw_poses, draw_neighbour, TILTED),
    "near": Style(make_lived_in_room, draw_near_poses, draw_near_neighbour, NEAR),
}

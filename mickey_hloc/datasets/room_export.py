"""Rooms on disk, as scenes in Map-free layout: every view is rendered once and is part of several pairs.

A training run that takes its pairs from there spends its time on learning, not on rendering.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pycolmap

from mickey_hloc.datasets.mapfree import frame_path
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import relative_motion
from mickey_hloc.io.files import atomic_folder, atomic_path
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.io.poses import write_absolute_poses
from mickey_hloc.rooms.cameras import PairOptions, covisible, draw_intrinsics, preview
from mickey_hloc.rooms.rendering import render
from mickey_hloc.rooms.scene import Room
from mickey_hloc.rooms.styles import STYLES

JPEG_QUALITY = 95
_MAX_ROOMS = 30


@dataclass(frozen=True)
class ExportOptions:
    """What a scene consists of.

    Attributes:
        places: of a room; each becomes one sequence (seq0, seq1, ...).
        views_per_place: views around a place, all paired with its first by ``views``' ranges.
        size_wh: (width, height), pixels.
        views: how cameras are drawn.
    """

    places: int = 2
    views_per_place: int = 4
    size_wh: tuple[int, int] = (320, 240)
    views: PairOptions = field(default_factory=PairOptions)

    def __post_init__(self) -> None:
        if self.places < 1 or self.views_per_place < 2 or min(self.size_wh) < 1:
            raise InputError("A scene needs at least 1 place, 2 views a place and an image of 1 x 1 pixels.")


class View(NamedTuple):
    """A camera that was drawn: K (3, 3), cam_from_world (3, 4), and the preview's depth and K."""

    K: np.ndarray
    cam_from_world: np.ndarray
    depth: np.ndarray
    small_K: np.ndarray


def scene_name(number: int) -> str:
    """``s00007`` of 7, as Map-free names its scenes."""
    return f"s{number:05d}"


def hold_options(folder: Path, seed: int, options: ExportOptions) -> None:
    """Keep what the rooms of a folder are made with beside them, in ``rooms.json``.

    Raises:
        InputError: the folder has rooms that were made otherwise.
    """
    path, now = Path(folder) / "rooms.json", json.loads(json.dumps({"seed": seed, **asdict(options)}))
    try:
        before = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else now
        before = _with_defaults(before, json.loads(json.dumps(asdict(ExportOptions()))))
    except (ValueError, AttributeError):
        before = None
    if before != now:
        raise InputError(
            f"{folder} has rooms of another seed, size or camera ({path} says which); choose another folder."
        )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def _with_defaults(options: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Options with what a version of this program that did not have them yet left out."""
    both = {**defaults, **options}
    return {k: _with_defaults(v, defaults[k]) if isinstance(defaults.get(k), dict) else v for k, v in both.items()}


def export_scene(folder: Path, number: int, seed: int, options: ExportOptions) -> bool:
    """Render one room into ``folder/s<number>``, unless it is there; the same seed and number give the same scene.

    Returns:
        False where it was there already.

    Raises:
        InputError: no room meets the options of the cameras.
    """
    target = Path(folder) / scene_name(number)
    if target.is_dir():
        return False
    rng = np.random.default_rng([seed, number, 3])
    room, places = _draw_scene(rng, options)
    try:
        with atomic_folder(target) as temporary:
            _write_scene(temporary, room, places, options)
    except OSError:
        if not target.is_dir():
            raise
        return False  # another process made it meanwhile
    return True


def _write_scene(folder: Path, room: Room, places: list[list[View]], options: ExportOptions) -> None:
    intrinsics, poses = ["# frame_path fx fy cx cy frame_width frame_height"], {}
    for sequence, views in enumerate(places):
        (folder / f"seq{sequence}").mkdir()
        for frame, view in enumerate(views):
            name = frame_path(sequence, frame)
            image = render(room, view.K, options.size_wh, view.cam_from_world, options.views.supersample).image
            flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            (folder / name).write_bytes(cv2.imencode(".jpg", image[..., ::-1], flags)[1].tobytes())
            focal = " ".join(f"{view.K[i, j]:.6f}" for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
            intrinsics.append(f"{name} {focal} {options.size_wh[0]} {options.size_wh[1]}")
            poses[name] = pycolmap.Rigid3d(view.cam_from_world)
    (folder / "intrinsics.txt").write_text("\n".join(intrinsics) + "\n")
    write_absolute_poses(folder / "poses.txt", poses)
    frames, overlaps = _overlaps(places)
    np.savez(folder / "overlaps.npz", idxs=frames, overlaps=overlaps)


def _draw_scene(rng: np.random.Generator, options: ExportOptions) -> tuple[Room, list[list[View]]]:
    for _ in range(_MAX_ROOMS):
        room = STYLES[options.views.style].room(int(rng.integers(1 << 62)))
        places = [_draw_place(rng, room, options) for _ in range(options.places)]
        if all(places):
            return room, places
    raise InputError("No room meets the options of the cameras; widen their ranges, or ask for fewer views a place.")


def _draw_place(rng: np.random.Generator, room: Room, options: ExportOptions) -> list[View]:
    """Views around one place, each with the asked-for overlap with the first; empty where that failed."""
    o, style = options.views, STYLES[options.views.style]
    for _ in range(o.max_tries):
        drawn = style.poses(rng, room, o)
        first = None if drawn is None else _look(room, draw_intrinsics(rng, options.size_wh, o), drawn[0], options)
        if first is None:
            continue
        views = [first]
        for _ in range(o.max_tries // 4):
            pose = style.neighbour(rng, room, first.cam_from_world, o)
            K = first.K if o.same_focal else draw_intrinsics(rng, options.size_wh, o)
            view = None if pose is None else _look(room, K, pose, options)
            if view is not None and o.overlap[0] <= _overlap(first, view) <= o.overlap[1]:
                views.append(view)
                if len(views) == options.views_per_place:
                    return views
    return []


def _look(room: Room, K: np.ndarray, pose: np.ndarray, options: ExportOptions) -> View | None:
    """A view, unless it is too near to something."""
    depth, small_K = preview(room, K, options.size_wh, pose)
    near, median = np.percentile(depth, [5, 50])
    if near < options.views.min_near_depth_m or median < options.views.min_median_depth_m:
        return None
    return View(K, pose, depth, small_K)


def _overlap(a: View, b: View) -> float:
    """The smaller share of one view that the other sees."""
    forward = covisible(a.depth, a.small_K, b.depth, b.small_K, relative_motion(a.cam_from_world, b.cam_from_world))
    back = covisible(b.depth, b.small_K, a.depth, a.small_K, relative_motion(b.cam_from_world, a.cam_from_world))
    return float(min(forward.mean(), back.mean()))


def _overlaps(places: list[list[View]]) -> tuple[np.ndarray, np.ndarray]:
    """(M, 4) sequence, frame, sequence, frame, and overlaps (M,) of the views of each place."""
    rows = [
        ((s, i, s, j), _overlap(views[i], views[j]))
        for s, views in enumerate(places)
        for i in range(len(views))
        for j in range(len(views))
        if i != j
    ]
    return np.array([row for row, _ in rows], dtype=np.uint16), np.array([o for _, o in rows], dtype=np.float32)

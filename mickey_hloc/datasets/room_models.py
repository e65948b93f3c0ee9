"""A COLMAP model of a walk through a rendered room, with exact geometry: what SfM would give if it made no error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pycolmap

from mickey_hloc.io.cameras import COLMAP_CENTRE
from mickey_hloc.rooms import RenderedView, Room

SAME_DEPTH = 0.01  # share within which a view sees a point and not something in front of it


def room_model(
    views: Sequence[RenderedView],
    names: Sequence[str],
    points_per_view: int = 100,
    keypoint_std: float = 0.0,
    units_per_metre: float = 1.0,
    seed: int = 0,
) -> pycolmap.Reconstruction:
    """Points of the views' depth maps with all views that see them, and the true poses.

    Args:
        views: of one camera.
        names: of their images.
        points_per_view: drawn in each view; those that no other view sees are left out.
        keypoint_std: of the observed pixels.
        units_per_metre: of the model, whose world is turned and moved by the seed as well.

    Returns:
        A model with one pinhole camera; image ids are 1, 2, ... in the order of the names.
    """
    rng = np.random.default_rng(seed)
    height, width = views[0].depth.shape
    K = views[0].K
    params = [K[0, 0], K[1, 1], K[0, 2] + COLMAP_CENTRE, K[1, 2] + COLMAP_CENTRE]
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(model="PINHOLE", width=width, height=height, params=params, camera_id=1)
    )
    points = np.concatenate([_draw_points(view, points_per_view, rng) for view in views])
    seen = [_observe(view, points) for view in views]
    in_two = sum(visible for visible, _ in seen) >= 2
    tracks: dict[int, pycolmap.Track] = {int(row): pycolmap.Track() for row in np.flatnonzero(in_two)}
    for number, (view, name, (visible, pixels)) in enumerate(zip(views, names, seen, strict=True), start=1):
        rows = np.flatnonzero(visible & in_two)
        keypoints = pixels[rows] + COLMAP_CENTRE + keypoint_std * rng.normal(size=(len(rows), 2))
        image = pycolmap.Image(name=name, keypoints=keypoints, camera_id=1, image_id=number)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(view.cam_from_world))
        for index, row in enumerate(rows.tolist()):
            tracks[row].add_element(number, index)
    for point, track in tracks.items():
        model.add_point3D(points[point], track)
    turn = pycolmap.Rotation3d(rng.normal(size=3))
    model.transform(pycolmap.Sim3d(units_per_metre, turn, rng.normal(size=3)))
    model.update_point_3d_errors()
    return model


def _draw_points(view: RenderedView, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) world points at random pixels."""
    height, width = view.depth.shape
    x, y = rng.integers(0, width, count), rng.integers(0, height, count)
    rays = np.stack([x, y, np.ones(count)], axis=1) @ np.linalg.inv(view.K).T
    R, t = view.cam_from_world[:, :3], view.cam_from_world[:, 3]
    return (rays * view.depth[y, x, None].astype(np.float64) - t) @ R


def _observe(view: RenderedView, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) which points the view sees, and (N, 2) their pixels."""
    height, width = view.depth.shape
    R, t = view.cam_from_world[:, :3], view.cam_from_world[:, 3]
    in_camera = points @ R.T + t
    depth = np.where(in_camera[:, 2] > 1e-6, in_camera[:, 2], 1.0)
    pixels = (in_camera / depth[:, None] @ view.K.T)[:, :2]
    nearest = np.rint(np.clip(pixels, -1, [width, height])).astype(np.int64)
    inside = (in_camera[:, 2] > 1e-6) & (nearest >= 0).all(axis=1) & (nearest < [width, height]).all(axis=1)
    nearest = np.where(inside[:, None], nearest, 0)
    found = view.depth[nearest[:, 1], nearest[:, 0]]
    return inside & (np.abs(found / depth - 1) < SAME_DEPTH), pixels


def visible_edges(view: RenderedView, room: Room, min_length_m: float = 0.5) -> list[tuple[np.ndarray, float]]:
    """Edges of the room's boxes (tables, doors, shelves) whose both ends a view sees.

    Returns:
        Of each edge its ends (2, 2), pixels, and its length, metres.
    """
    found = []
    corners = np.array([[(corner >> axis & 1) - 0.5 for axis in range(3)] for corner in range(8)])
    pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in {1, 2, 4}]
    for box in room.boxes:
        world = (corners * box.size) @ box.box_from_world + box.centre
        visible, pixels = _observe(view, world)
        for a, b in pairs:
            length = float(np.linalg.norm(world[a] - world[b]))
            if visible[a] and visible[b] and length >= min_length_m:
                found.append((pixels[[a, b]], length))
    return found

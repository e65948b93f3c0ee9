"""Exact depth of boxes seen from inside a room: one slab test for each box, on the pixels that it can cover.

A ray through pixel (x, y) is d = A (x, y, 1) with A = R_world_from_cam K^-1. Its camera-frame z component is 1, so the
ray parameter t of a hit is the depth along the optical axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mickey_hloc.geometry import camera_centres
from mickey_hloc.rooms.patterns import Floats
from mickey_hloc.rooms.scene import Box, Room

_NEAR = 0.02  # metres: nothing is nearer than this
_CORNERS = np.array([[(corner >> axis & 1) - 0.5 for axis in range(3)] for corner in range(8)])
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in {1, 2, 4}])


@dataclass(frozen=True, eq=False)
class CameraRays:
    """Where the rays of a pinhole camera start and go, world frame.

    Attributes:
        centre: (3,) metres.
        A: (3, 3): pixel (x, y, 1) to ray direction with camera z = 1.
        size_wh: pixels.
    """

    centre: np.ndarray
    A: np.ndarray
    size_wh: tuple[int, int]

    @classmethod
    def of(cls, K: np.ndarray, size_wh: tuple[int, int], cam_from_world: np.ndarray) -> CameraRays:
        """From intrinsics (3, 3) and a pose (3, 4)."""
        R, t = cam_from_world[:, :3], cam_from_world[:, 3]
        return cls(camera_centres(R, t), R.T @ np.linalg.inv(K), size_wh)


def pixel_bounds(boxes: tuple[Box, ...], rays: CameraRays) -> np.ndarray:
    """(K, 4) columns x0:x1 and rows y0:y1 that each box can cover; empty ranges where it is out of view."""
    if not boxes:
        return np.zeros((0, 4), dtype=np.int64)
    centres, sizes = np.array([b.centre for b in boxes]), np.array([b.size for b in boxes])
    turns = np.stack([b.box_from_world for b in boxes])
    corners = np.einsum("kci,kij->kcj", sizes[:, None] * _CORNERS, turns) + (centres - rays.centre)[:, None]
    image = corners @ np.linalg.inv(rays.A).T  # (K, 8, 3): homogeneous pixels, third = depth
    # Edges that pass behind the camera are cut where they come too near.
    first, second = image[:, _EDGES[:, 0]], image[:, _EDGES[:, 1]]
    crossing = (first[..., 2] > _NEAR) != (second[..., 2] > _NEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = first + (second - first) * ((_NEAR - first[..., 2]) / (second[..., 2] - first[..., 2]))[..., None]
        points = np.concatenate([image, cut], axis=1)
        visible = np.concatenate([image[..., 2] > _NEAR, crossing], axis=1)[..., None]
        pixels = points[..., :2] / points[..., 2:]
    low = np.where(visible, pixels, np.inf).min(axis=1)
    high = np.where(visible, pixels, -np.inf).max(axis=1)
    low = np.clip(np.floor(low), 0, rays.size_wh).astype(np.int64)
    high = np.clip(np.ceil(high) + 1, 0, rays.size_wh).astype(np.int64)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def _affine(row: np.ndarray, x: Floats, y: Floats) -> Floats:
    """(len(y), len(x)) values of row . (x, y, 1)."""
    return (row[0] * x).astype(np.float32)[None, :] + (row[1] * y + row[2]).astype(np.float32)[:, None]


def _shell(room: Room, rays: CameraRays, x: Floats, y: Floats) -> tuple[Floats, np.ndarray]:
    """Depth and face of the walls, seen from inside: the nearest far plane."""
    depth = np.full((len(y), len(x)), np.inf, dtype=np.float32)
    face = np.zeros(depth.shape, dtype=np.int32)
    for axis in range(3):
        d = _affine(rays.A[axis], x, y)
        positive = d > 0
        wall = np.where(positive, np.float32(room.size[axis] - rays.centre[axis]), np.float32(-rays.centre[axis]))
        t = wall / d
        nearer = (t < depth) & (t > 0)  # a ray along the wall gives -inf
        np.copyto(depth, t, where=nearer)
        np.copyto(face, 2 * axis + positive, where=nearer, casting="unsafe")
    return depth, face


def _box_hits(box: Box, rays: CameraRays, x: Floats, y: Floats) -> tuple[Floats, np.ndarray] | None:
    """Depth (inf = missed) and face on a block of pixels; None when the camera is inside the box."""
    turn = box.box_from_world
    origin, B = turn @ (rays.centre - np.array(box.centre)), turn @ rays.A
    half = 0.5 * np.array(box.size)
    outside = [axis for axis in range(3) if abs(origin[axis]) > half[axis]]
    if not outside:
        return None
    entry: Floats | None = None
    leave: Floats | None = None
    face = np.zeros((len(y), len(x)), dtype=np.int32)
    for axis in outside + [axis for axis in range(3) if axis not in outside]:
        inverse = 1.0 / _affine(B[axis], x, y)
        side = 1.0 if origin[axis] > 0 else -1.0
        towards = inverse * np.float32(side * half[axis] - origin[axis])
        far = inverse * np.float32(-side * half[axis] - origin[axis])
        if axis in outside:
            number = 2 * axis + (side > 0)
            if entry is None:
                entry = towards
                face.fill(number)
            else:
                face[towards > entry] = number
                np.maximum(entry, towards, out=entry)
        else:
            np.maximum(far, towards, out=far)
        leave = far if leave is None else np.minimum(leave, far, out=leave)
    assert entry is not None
    assert leave is not None
    entry[(entry > leave) | (entry < _NEAR)] = np.inf
    return entry, face


def cast(
    room: Room, rays: CameraRays, rows: tuple[int, int] | None = None, bounds: np.ndarray | None = None
) -> tuple[Floats, np.ndarray]:
    """Depth and surface at every pixel centre of some rows.

    Args:
        room: what is looked at; the camera must be in it.
        rays: the camera.
        rows: first and past-the-last row; default all.
        bounds: ``pixel_bounds(room.boxes, rays)``, where it is known already.

    Returns:
        (h, W) float32 depth along the optical axis, metres, and (h, W) int32 rows of the room's surface table.
    """
    first, last = rows if rows is not None else (0, rays.size_wh[1])
    bounds = pixel_bounds(room.boxes, rays) if bounds is None else bounds
    x = np.arange(rays.size_wh[0], dtype=np.float64)
    y = np.arange(first, last, dtype=np.float64)
    x0s, x1s, y0s, y1s = bounds[:, 0], bounds[:, 1], np.maximum(bounds[:, 2], first), np.minimum(bounds[:, 3], last)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth, surface = _shell(room, rays, x, y)
        for k in np.flatnonzero((x0s < x1s) & (y0s < y1s)):
            columns, lines = slice(x0s[k], x1s[k]), slice(y0s[k] - first, y1s[k] - first)
            hits = _box_hits(room.boxes[k], rays, x[columns], y[lines])
            if hits is None:
                continue
            nearer = hits[0] < depth[lines, columns]
            np.copyto(depth[lines, columns], hits[0], where=nearer)
            np.copyto(surface[lines, columns], hits[1] + (6 + 6 * k), where=nearer, casting="unsafe")
    return depth, surface

"""Light on the surfaces of a room: point lamps with soft shadows and darkened corners, baked on a coarse grid.

The light does not depend on where the camera stands, so two views of one room agree. It changes slowly over a surface,
so a grid of 6 to 25 cm read with bilinear interpolation is enough, and a pixel costs a look-up instead of a sum over
lamps and boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mickey_hloc.rooms.patterns import Floats, Ints
from mickey_hloc.rooms.scene import Box, Room
from mickey_hloc.rooms.surfaces import SurfaceTable, surface_table

_CONTACT_REACH = 0.13  # metres around a piece of furniture that it darkens; half its thickness around a smaller thing
_SMALL = 0.12
_PENUMBRA = 0.02  # metres of way through a box on which a shadow becomes full


@dataclass(frozen=True, eq=False)
class LightMap:
    """Brightness R G B on a grid of points of every surface.

    Attributes:
        values: (3, T) float32, all grids one after the other, rows along v.
        start: (S,) int64, where a surface's grid begins.
        counts: (2, S) int64, points along u and v, at least 2 each.
        scale: (2, S) float32, grid steps per metre.
    """

    values: Floats
    start: Ints
    counts: Ints
    scale: Floats

    def look_up(self, u: Floats, v: Floats, surface: Ints) -> Floats:
        """(3, N) brightness at surface coordinates u, v (N,) metres."""
        columns, rows = self.counts[0].take(surface), self.counts[1].take(surface)
        x, y = u * self.scale[0].take(surface), v * self.scale[1].take(surface)
        i = np.clip(x.astype(np.int64), 0, columns - 2)
        j = np.clip(y.astype(np.int64), 0, rows - 2)
        a, b = np.clip(x - i, 0.0, 1.0).astype(np.float32), np.clip(y - j, 0.0, 1.0).astype(np.float32)
        low = self.start.take(surface) + j * columns + i
        high = low + columns
        brightness = np.empty((3, len(u)), dtype=np.float32)
        for channel, table in enumerate(self.values):
            bottom = table.take(low)
            bottom += a * (table.take(low + 1) - bottom)
            top = table.take(high)
            top += a * (table.take(high + 1) - top)
            brightness[channel] = bottom + b * (top - bottom)
        return brightness


@dataclass(frozen=True, eq=False)
class _Points:
    """All grid points: position, normal (3, T) float32, the surface they lie on (T,) and its share of area (T,)."""

    position: Floats
    normal: Floats
    surface: Ints
    area: Floats


def _grid_points(table: SurfaceTable, counts: Ints, start: Ints) -> _Points:
    per_surface = counts[0] * counts[1]
    surface = np.repeat(np.arange(len(per_surface)), per_surface)
    number = np.arange(len(surface)) - start[surface]
    row, column = np.divmod(number, counts[0][surface])
    # A millimetre inside, so that a point on an edge belongs to this face only.
    inset = np.minimum(table.size / 4, 1e-3)
    on_face = [
        (inset[axis] + 0.0)[surface] + step * ((table.size[axis] - 2 * inset[axis]) / (counts[axis] - 1))[surface]
        for axis, step in enumerate((column, row))
    ]
    base = (table.origin + 1e-3 * table.normal)[surface]
    position = base + on_face[0][:, None] * table.e_u[surface] + on_face[1][:, None] * table.e_v[surface]
    area = (table.size[0] * table.size[1] / per_surface)[surface]
    normal = table.normal.T[:, surface].astype(np.float32)
    return _Points(np.ascontiguousarray(position.T, dtype=np.float32), normal, surface, area.astype(np.float32))


def _in_box_frame(points: Floats, box: Box) -> list[Floats]:
    """The three coordinates of points (3, T) in the frame of a box."""
    c, s = np.float32(np.cos(box.yaw)), np.float32(np.sin(box.yaw))
    x, y, z = (points[axis] - np.float32(box.centre[axis]) for axis in range(3))
    return [c * x + s * y, c * y - s * x, z]


def _free_way(start: Floats, end: Floats, boxes: list[Box]) -> Floats:
    """(T,) in [0, 1]: how much of the light from a lamp at ``end`` (3,) reaches ``start`` (3, T) past the boxes."""
    free = np.ones(start.shape[1], dtype=np.float32)
    way = end[:, None] - start
    softness = np.sqrt((way * way).sum(axis=0)) / np.float32(_PENUMBRA)
    for box in boxes:
        entry, leave = np.zeros_like(free), np.ones_like(free)
        origin, lamp = _in_box_frame(start, box), _in_box_frame(end[:, None], box)
        for axis in range(3):
            inverse = 1.0 / (lamp[axis] - origin[axis] + np.float32(1e-6))
            middle = origin[axis] * inverse
            reach = np.abs(inverse)
            reach *= np.float32(0.5 * box.size[axis])
            np.maximum(entry, -middle - reach, out=entry)
            np.minimum(leave, reach - middle, out=leave)
        leave -= entry
        leave *= softness
        free *= 1.0 - np.clip(leave, 0.0, 1.0, out=leave)
    return free


def _darkness(points: _Points, room: Room, boxes: dict[int, Box]) -> Floats:
    """(T,) >= 0: towards corners of the room and where boxes stand close; the light falls by exp(-darkness)."""
    dark = np.zeros(len(points.surface), dtype=np.float32)
    for axis in range(3):
        facing = 0.28 * (1.0 - np.abs(points.normal[axis]))
        for distance in (points.position[axis], np.float32(room.size[axis]) - points.position[axis]):
            dark += facing * np.exp(-np.maximum(distance, 0.0) / np.float32(0.22))
    owner = (points.surface - 6) // 6
    for k, box in boxes.items():
        outside = [
            np.maximum(np.abs(local) - np.float32(0.5 * size), 0.0)
            for local, size in zip(_in_box_frame(points.position, box), box.size, strict=True)
        ]
        gap = np.sqrt(outside[0] ** 2 + outside[1] ** 2 + outside[2] ** 2)
        near = np.flatnonzero((gap < 0.6) & (owner != k))
        towards = np.array(box.centre, dtype=np.float32)[:, None] - points.position[:, near]
        facing = (towards * points.normal[:, near]).sum(axis=0) > 0
        thick = sorted(box.size)[1]
        reach = _CONTACT_REACH if thick > _SMALL else 0.5 * thick
        dark[near] += 0.6 * np.exp(-gap[near] / np.float32(reach)) * facing
    return dark


def _lamps(room: Room) -> list[tuple[Floats, Floats]]:
    """Position and power of the room's lamps, and of weak ones under the ceiling in place of light from everywhere."""
    x, y, z = room.size
    lamps = [(lamp.position, lamp.power * np.array(lamp.color)) for lamp in room.lamps]
    spots = [(0.25 * x, 0.3 * y), (0.75 * x, 0.35 * y), (0.7 * x, 0.75 * y), (0.3 * x, 0.7 * y)]
    lamps += [((a, b, 0.9 * z), np.full(3, 0.14 * room.ambient * (x * y) ** 0.5)) for a, b in spots]
    return [(np.array(position, dtype=np.float32), np.array(power, dtype=np.float32)) for position, power in lamps]


@lru_cache(maxsize=4)  # the views of a room share it
def light_map(room: Room) -> LightMap:
    """The light of a room on all its surfaces."""
    table = surface_table(room)
    cell = np.where(np.arange(len(table.key)) < 6, *room.light_cells_m)
    counts = np.maximum(np.ceil(table.size / cell).astype(np.int64) + 1, 2)
    start = np.concatenate([[0], np.cumsum(counts[0] * counts[1])[:-1]])
    points = _grid_points(table, counts, start)
    boxes = {k: b for k, b in enumerate(room.boxes) if b.casts_shadow and sorted(b.size)[1] > room.min_shadow_m}
    total = np.tile(room.ambient * (0.3 + 0.1 * points.normal[2]), (3, 1))
    for position, power in _lamps(room):
        towards = position[:, None] - points.position
        square = (towards * towards).sum(axis=0)
        lit = (towards * points.normal).sum(axis=0) / (np.sqrt(square + 1e-6) * (square + 0.3))
        seen = np.flatnonzero(lit > 1e-3)
        brightness = lit[seen] * _free_way(points.position[:, seen], position, list(boxes.values()))
        total[:, seen] += brightness * power[:, None]
    total *= np.exp(-_darkness(points, room, boxes))
    shell = points.surface < 6
    mean = float((total[:, shell].mean(axis=0) * points.area[shell]).sum() / points.area[shell].sum())
    scale = ((counts - 1) / table.size).astype(np.float32)
    return LightMap((total * (room.exposure / mean)).astype(np.float32), start, counts, scale)

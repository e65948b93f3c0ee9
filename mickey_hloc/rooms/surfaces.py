"""All faces of a room as arrays, and points on them: pixels look up what they see by one index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mickey_hloc.rooms.patterns import Floats, Ints
from mickey_hloc.rooms.scene import Material, Room

_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class SurfaceTable:
    """S faces. A point p of a face has the coordinates u = e_u . (p - origin), v = e_v . (p - origin) in metres.

    Seen from its visible side, u runs to the right and v upwards (on floors and tops: along x and y).

    Attributes:
        origin, e_u, e_v, normal: (S, 3) float64; the normal points to the visible side.
        size: (2, S) float32, extents along u and v, metres.
        kinds: names of the textures that occur.
        kind: (S,) index into ``kinds``.
        key: (S,) int64, the seed of its random details.
        colors: (3, 3, S) float32, which colour, linear R G B.
        params: (4, S) float32.
        wear, grain, emission, skirting: (S,) float32.
        skirting_color: (3, S) float32, linear.
    """

    origin: np.ndarray
    e_u: np.ndarray
    e_v: np.ndarray
    normal: np.ndarray
    size: np.ndarray
    kinds: tuple[str, ...]
    kind: np.ndarray
    key: np.ndarray
    colors: np.ndarray
    params: np.ndarray
    wear: np.ndarray
    grain: np.ndarray
    emission: np.ndarray
    skirting: np.ndarray
    skirting_color: np.ndarray


@dataclass(frozen=True, eq=False)
class Samples:
    """N points on surfaces of one kind.

    Attributes:
        u, v: (N,) metres on the surface (see SurfaceTable).
        wu, wv: (N,) metres that a pixel covers along u and v.
        surface: (N,) rows of the table, or one number when all lie on the same surface.
        table: the room's faces.
    """

    u: Floats
    v: Floats
    wu: Floats
    wv: Floats
    surface: Ints | int
    table: SurfaceTable

    @property
    def w(self) -> Floats:
        """(N,) metres, the wider of both footprints."""
        return np.maximum(self.wu, self.wv)

    @property
    def key(self) -> Ints | int:
        """Seed of the random details: (N,) or one number."""
        return self.table.key[self.surface]

    def color(self, which: int) -> Floats:
        """(3, N) or (3, 1) reflectance."""
        return self.table.colors[which][:, np.atleast_1d(self.surface)]

    def param(self, which: int) -> Floats:
        """(N,) or one number."""
        return self.table.params[which][self.surface]

    @property
    def size(self) -> tuple[Floats, Floats]:
        """Extents of the surface along u and v, metres: (N,) or one number each."""
        return self.table.size[0][self.surface], self.table.size[1][self.surface]

    def part(self, index: Ints) -> Samples:
        """The points at ``index``."""
        surface = self.surface if np.ndim(self.surface) == 0 else self.surface[index]  # type: ignore[index]
        return Samples(self.u[index], self.v[index], self.wu[index], self.wv[index], surface, self.table)


Texture = Callable[[Samples], Floats]  # (3, N) linear reflectance


def _frames(centre: np.ndarray, size: np.ndarray, axes: np.ndarray, inward: bool) -> list[tuple[np.ndarray, ...]]:
    """The six faces of a box as (origin, e_u, e_v, normal, (extent_u, extent_v)); ``axes`` has its axes as rows."""
    faces: list[tuple[np.ndarray, ...]] = []
    for face in range(6):
        axis, side = face // 2, 1.0 if face % 2 else -1.0
        normal = -side * axes[axis] if inward else side * axes[axis]
        if axis == 2:
            e_u, e_v, extent = axes[0], axes[1], size[:2]
        else:
            # To the right of somebody who faces it: up x normal.
            e_u, e_v, extent = np.array([-normal[1], normal[0], 0.0]), _UP, size[[1 - axis, 2]]
        corner = centre + 0.5 * (side * size[axis] * axes[axis] - extent[0] * e_u - extent[1] * e_v)
        faces.append((corner, e_u, e_v, normal, extent))
    return faces


def linear(color: np.ndarray) -> np.ndarray:
    """Display colour to reflectance; the renderer's display curve is a square root."""
    return np.square(color).astype(np.float32)


def _colors(materials: list[Material]) -> np.ndarray:
    """(3, 3, S): which colour, R G B; a material with fewer than three repeats its last."""
    rows = [(m.colors + m.colors[-1:] * 3)[:3] for m in materials]
    return np.moveaxis(linear(np.array(rows)), 0, -1).copy()


def _params(materials: list[Material]) -> np.ndarray:
    """(4, S), zero where a material has none."""
    return np.array([(m.params + (0.0,) * 4)[:4] for m in materials], dtype=np.float32).T.copy()


@lru_cache(maxsize=4)  # the views of a room share it
def surface_table(room: Room) -> SurfaceTable:
    """All faces of a room: rows 0..5 are the shell, 6 + 6 k + face those of box k."""
    size = np.array(room.size)
    frames = _frames(0.5 * size, size, np.eye(3), inward=True)
    materials: list[Material] = list(room.shell)
    for box in room.boxes:
        frames += _frames(np.array(box.centre), np.array(box.size), box.box_from_world, inward=False)
        materials += [box.material_of(face) for face in range(6)]
    origin, e_u, e_v, normal, extents = (np.array(column) for column in zip(*frames, strict=True))
    kinds = tuple(dict.fromkeys(m.kind for m in materials))
    scalars = {
        name: np.array([getattr(m, name) for m in materials], dtype=np.float32)
        for name in ("wear", "grain", "emission", "skirting")
    }
    return SurfaceTable(
        origin=origin,
        e_u=e_u,
        e_v=e_v,
        normal=normal,
        size=np.ascontiguousarray(extents.T, dtype=np.float32),
        kinds=kinds,
        kind=np.array([kinds.index(m.kind) for m in materials]),
        key=np.random.default_rng([room.seed, 7]).integers(0, 1 << 16, len(materials)),
        colors=_colors(materials),
        params=_params(materials),
        skirting_color=linear(np.array([m.skirting_color for m in materials]).T).copy(),
        **scalars,
    )

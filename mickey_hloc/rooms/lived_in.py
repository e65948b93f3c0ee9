"""Rooms that somebody lives in: things on every surface that can hold some, on the floor and on the walls."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from mickey_hloc.rooms import small_things
from mickey_hloc.rooms.furniture import block, extent, place
from mickey_hloc.rooms.layout import make_room
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Material, Room

_THEME_WEIGHTS = {"office": 0.3, "kitchen": 0.27, "living": 0.2, "storage": 0.1, "bedroom": 0.09, "bathroom": 0.04}
_MAX_LEVEL_M = 1.5  # nobody sees what lies higher
_SMALLEST_SIDE_M = 0.22  # of a surface that holds something
_TRIES = 4  # places for a thing on a surface


@dataclass
class _Space:
    """What is taken: axis-parallel extents of the boxes."""

    size: np.ndarray
    low: list[np.ndarray] = field(default_factory=list)
    high: list[np.ndarray] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def add(self, boxes: list[Box]) -> None:
        for box in boxes:
            low, high = extent([box])
            self.low.append(low)
            self.high.append(high)
        self.boxes += boxes

    def offer(self, boxes: list[Box], gap: float = 1e-4) -> bool:
        """Add boxes where they are inside the room and cut nothing; touching is allowed."""
        low, high = extent(boxes)
        if bool((low < 0).any() or (high > self.size).any()):
            return False
        cut = (low + gap < np.array(self.high)).all(axis=1) & (high - gap > np.array(self.low)).all(axis=1)
        if bool(cut.any()):
            return False
        self.add(boxes)
        return True


def make_lived_in_room(seed: int, theme: str | None = None) -> Room:
    """The room of ``make_room`` with small things on its furniture, floor and walls; the same seed, the same room.

    Args:
        seed, theme: see ``make_room``, which says what it raises. A theme is drawn with more desks and counters.
    """
    rng = np.random.default_rng([max(seed, 0), 4])
    drawn = pick(rng, list(_THEME_WEIGHTS), list(_THEME_WEIGHTS.values()))
    room = make_room(seed, theme or drawn)
    space = _Space(np.array(room.size))
    space.add(list(room.boxes))
    crowd = between(rng, 4.0, 22.0)  # things a square metre
    for box in room.boxes:
        if _holds_things(box):
            _fill_top(rng, space, box, crowd)
    area = room.size[0] * room.size[1]
    for _ in range(int(rng.poisson(between(rng, 0.1, 0.8) * area))):
        thing = pick(rng, small_things.ON_FLOOR)(rng)
        x, y = between(rng, 0.0, room.size[0]), between(rng, 0.0, room.size[1])
        space.offer(place(thing, x, y, between(rng, -np.pi, np.pi)))
    for _ in range(int(rng.integers(6, 36))):
        space.offer(_on_wall(rng, room))
    return dataclasses.replace(room, boxes=tuple(space.boxes), light_cells_m=(0.1, 0.05), min_shadow_m=0.03)


def _holds_things(box: Box) -> bool:
    """Whether its top is wide enough and low enough; cloth holds nothing."""
    top = box.centre[2] + 0.5 * box.size[2]
    flat = min(box.size[:2]) >= _SMALLEST_SIDE_M and 0.3 <= top <= _MAX_LEVEL_M
    return flat and box.material_of(5).kind not in {"fabric", "cardboard"}


def _fill_top(rng: Rng, space: _Space, box: Box, crowd: float) -> None:
    """Things on the top of a box, more or fewer of them, turned as they happen to lie."""
    x, y = (0.5 * side for side in box.size[:2])
    z = box.centre[2] + 0.5 * box.size[2]
    for _ in range(int(rng.poisson(4.0 * x * y * crowd))):
        thing = pick(rng, small_things.ON_FURNITURE)(rng)
        for _ in range(_TRIES):
            turned = between(rng, -0.4, 0.4) if rng.random() < 0.6 else between(rng, -np.pi, np.pi)
            standing = place(thing, between(rng, -0.95 * x, 0.95 * x), between(rng, -0.95 * y, 0.95 * y), turned)
            low, high = extent(standing)
            falls = bool((np.abs([low[:2], high[:2]]) > [x + 0.03, y + 0.03]).any())
            if not falls and space.offer(place(standing, box.centre[0], box.centre[1], box.yaw, z)):
                break


def _on_wall(rng: Rng, room: Room) -> list[Box]:
    """A poster, notice or note on one of the walls, 0.7 to 1.9 m high."""
    w, h = pick(rng, [*small_things.SHEETS, (0.42, 0.594), (0.594, 0.841), (0.076, 0.076), (0.3, 0.2)])
    wall = int(rng.integers(4))
    along, z = between(rng, 0.0, room.size[wall % 2]), between(rng, 0.7, 1.9)
    x, y = room.size[:2]
    start = [(0.0, 0.0), (x, 0.0), (x, y), (0.0, y)][wall]
    step = [(1, 0), (0, 1), (-1, 0), (0, -1)][wall]
    sheet = block(
        Material("paint", ((0.9, 0.9, 0.88),)),
        (-w / 2, w / 2),
        (0.001, 0.004),
        (z - h / 2, z + h / 2),
        front=small_things.printed(rng),
        casts_shadow=False,
    )
    return place([sheet], start[0] + along * step[0], start[1] + along * step[1], wall * np.pi / 2)

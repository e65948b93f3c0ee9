"""Furnishing: a seed gives a room with fittings on its walls and furniture that stands where furniture stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mickey_hloc.rooms import fittings, furniture, furniture_tall, materials
from mickey_hloc.rooms.furniture import Builder, block, extent, place
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Lamp, Material, Room, Shell

_BY_WALL: dict[str, tuple[Builder, ...]] = {
    "living": (furniture.sofa, furniture_tall.bookcase, furniture_tall.chest, furniture_tall.bookcase,
               furniture.desk, furniture.table, fittings.floor_lamp, furniture.chair),
    "office": (furniture.desk, furniture_tall.bookcase, furniture.desk, furniture_tall.wardrobe,
               furniture.stool_or_cartons, furniture_tall.chest, furniture.chair),
    "bedroom": (furniture.bed, furniture_tall.wardrobe, furniture_tall.nightstand, furniture_tall.chest,
                furniture.desk, furniture_tall.bookcase, fittings.floor_lamp),
    "kitchen": (furniture_tall.kitchen, furniture_tall.fridge, furniture.table, furniture_tall.chest,
                furniture_tall.washing_machine, furniture.chair, furniture.stool_or_cartons),
    "bathroom": (furniture_tall.washbasin, furniture_tall.washing_machine, furniture_tall.bathtub,
                 furniture_tall.chest),
    "storage": (furniture.stool_or_cartons, furniture_tall.bookcase, furniture_tall.wardrobe,
                furniture.stool_or_cartons, furniture.table, furniture_tall.chest, furniture.chair),
}  # fmt: skip
_IN_THE_MIDDLE: dict[str, tuple[Builder, ...]] = {
    "living": (furniture.coffee_table, fittings.dining_group, fittings.rug, furniture.stool_or_cartons),
    "office": (fittings.dining_group, furniture.desk, furniture.stool_or_cartons, furniture.chair),
    "bedroom": (fittings.rug, furniture.chair, furniture.stool_or_cartons),
    "kitchen": (fittings.dining_group, fittings.dining_group, fittings.rug),
    "bathroom": (fittings.rug, furniture.stool_or_cartons),
    "storage": (furniture.stool_or_cartons, furniture.stool_or_cartons, furniture.table, furniture_tall.bookcase),
}
_THEME_WEIGHTS = {"living": 0.28, "office": 0.22, "bedroom": 0.17, "kitchen": 0.17, "bathroom": 0.06, "storage": 0.1}


class RoomError(ValueError):
    """Arguments that no room, or no pair of views of one, can be made from; the message is a sentence for the user."""


@dataclass
class _Plan:
    """A room while it is being furnished."""

    rng: Rng
    size: tuple[float, float, float]
    boxes: list[Box] = field(default_factory=list)
    taken: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)  # corners of occupied blocks of space

    def _wall_point(self, wall: int, along: float) -> tuple[float, float, float]:
        """(x, y, yaw) at ``along`` metres on wall 0..3; a thing placed there has the wall behind it."""
        x, y = self.size[:2]
        start = [(0.0, 0.0), (x, 0.0), (x, y), (0.0, y)][wall]
        direction = [(1, 0), (0, 1), (-1, 0), (0, -1)][wall]
        return start[0] + along * direction[0], start[1] + along * direction[1], wall * np.pi / 2

    def wall_length(self, wall: int) -> float:
        return self.size[wall % 2]

    def add(self, boxes: list[Box], clearance: float = 0.0, solid: bool = True) -> bool:
        """Put boxes into the room where they fit: inside, and clear of what is there."""
        low, high = extent(boxes)
        if bool((low < -1e-6).any() or (high > np.array(self.size) + 1e-6).any()):
            return False
        if solid:
            wide = np.array([clearance, clearance, 0.0])
            for other_low, other_high in self.taken:
                if bool((low - wide < other_high - 1e-6).all() and (high + wide > other_low + 1e-6).all()):
                    return False
            self.taken.append((low, high))
        self.boxes += boxes
        return True

    def on_wall(
        self, make: Callable[[Rng], list[Box]], wall: int | None = None, tries: int = 6, gap: float = 0.0
    ) -> Box | None:
        """Stand or hang something at a free place of a wall; returns its first box."""
        for _ in range(tries):
            at = int(self.rng.integers(4)) if wall is None else wall
            boxes = make(self.rng)
            low, high = extent(boxes)
            first, last = 0.02 - low[0], self.wall_length(at) - 0.02 - high[0]
            if first > last:
                continue
            x, y, yaw = self._wall_point(at, between(self.rng, first, last))
            standing = place(boxes, x - gap * np.sin(yaw), y + gap * np.cos(yaw), yaw)
            if self.add(standing, clearance=0.02):
                return standing[0]
        return None

    def in_the_middle(self, make: Builder, tries: int = 5) -> None:
        """Stand something anywhere, turned anyhow, with room to walk around it."""
        flat = make is fittings.rug
        for _ in range(tries):
            yaw = (
                between(self.rng, -np.pi, np.pi) if self.rng.random() < 0.5 else float(self.rng.integers(4)) * np.pi / 2
            )
            x, y = between(self.rng, 0.5, self.size[0] - 0.5), between(self.rng, 0.5, self.size[1] - 0.5)
            if self.add(place(make(self.rng), x, y, yaw), clearance=0.25, solid=not flat):
                return


def _shell(rng: Rng, wet: bool) -> Shell:
    """Walls of one kind, often one of them different; floor; ceiling."""
    usual = materials.wall(rng, wet)
    walls = [usual] * 4
    if rng.random() < 0.45:
        walls[int(rng.integers(4))] = materials.wall(rng, wet)
    return walls[0], walls[1], walls[2], walls[3], materials.floor(rng, wet), materials.ceiling(rng)


def _fit_out(plan: _Plan) -> list[Lamp]:
    """Doors with the space in front of them kept free, windows, lamps."""
    rng, (size_x, size_y, height) = plan.rng, plan.size
    lamps = []
    for _ in range(1 + int(rng.random() < 0.3)):
        leaf = plan.on_wall(fittings.door)
        if leaf is not None:
            centre, reach = np.array(leaf.centre), np.array([0.75, 0.75, 1.1])
            plan.taken.append((centre - reach, centre + reach))
    for _ in range(int(rng.integers(0, 4))):
        panes = plan.on_wall(lambda r: fittings.window(r, height))
        if panes is not None:
            into_room = np.array([-np.sin(panes.yaw), np.cos(panes.yaw), 0.0])
            position = np.array(panes.centre) + 0.4 * into_room
            cool = (between(rng, 0.8, 0.95), between(rng, 0.9, 1.0), 1.0)
            lamps.append(Lamp(tuple(position.tolist()), cool, between(rng, 0.6, 3.0)))
    for _ in range(1 + int(size_x * size_y > 18) + int(rng.random() < 0.25)):
        x, y = between(rng, 0.3, 0.7) * size_x, between(rng, 0.25, 0.75) * size_y
        boxes, level = fittings.ceiling_lamp(rng, height)
        if plan.add(place(boxes, x, y, float(rng.integers(2)) * np.pi / 2)):
            warm = between(rng, 0.65, 1.0)
            lamps.append(Lamp((x, y, level), (1.0, 0.5 + 0.5 * warm, warm), between(rng, 0.3, 3.0)))
    return lamps


def _corner_block(plan: _Plan, wall: Material) -> None:
    """A pillar, chimney breast or bay that makes the plan other than a rectangle."""
    rng, height = plan.rng, plan.size[2]
    x, y = pick(rng, [(0.15, 0.3), (0.25, 0.25), (0.5, 0.4), (0.8, 0.8)])
    plan.on_wall(lambda _: [block(wall, (-x, x), (0.0, y), (0.0, height))])


def _beams(plan: _Plan) -> None:
    """Beams under the ceiling, 60 to 90 cm apart."""
    rng, (size_x, size_y, height) = plan.rng, plan.size
    material, width = materials.wood(rng), between(rng, 0.1, 0.18)
    for x in np.arange(between(rng, 0.2, 0.6), size_x - 0.2, between(rng, 0.6, 0.9)):
        beam = block(material, (float(x), float(x) + width), (0.0, size_y), (height - 0.16, height), casts_shadow=False)
        plan.add([beam], solid=False)


def make_room(seed: int, theme: str | None = None) -> Room:
    """A furnished room, 2.5 to 8 m long and wide and 2.3 to 3.4 m high; the same seed gives the same room.

    Args:
        seed: any integer >= 0.
        theme: living, office, bedroom, kitchen, bathroom or storage; None = drawn.

    Raises:
        RoomError: a negative seed or an unknown theme.
    """
    if seed < 0:
        raise RoomError(f"The seed of a room must be at least 0, got {seed}.")
    if theme is not None and theme not in _BY_WALL:
        near = difflib.get_close_matches(theme, _BY_WALL, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise RoomError(f"Unknown theme '{theme}'{hint}; choose one of: {', '.join(sorted(_BY_WALL))}.")
    rng = np.random.default_rng([seed, 1])
    drawn = pick(rng, list(_THEME_WEIGHTS), list(_THEME_WEIGHTS.values()))
    theme = drawn if theme is None else theme
    longest = 4.5 if theme == "bathroom" else 8.0
    height = between(rng, 2.3, 2.8) if rng.random() < 0.8 else between(rng, 2.8, 3.4)
    plan = _Plan(rng, (between(rng, 2.5, longest), between(rng, 2.5, min(longest, 6.5)), height))
    shell = _shell(rng, wet=theme == "bathroom")
    if rng.random() < 0.25:
        _corner_block(plan, shell[0])
    lamps = _fit_out(plan)
    area = plan.size[0] * plan.size[1]
    pieces = _BY_WALL[theme]
    # The first piece is what makes the theme; then others until the walls are about half full.
    for k in range(min(3 + int(area / 4), 9)):
        make = pieces[0] if k == 0 else pick(rng, pieces)
        plan.on_wall(make, gap=between(rng, 0.005, 0.03))
    for _ in range(1 + int(area > 10) + int(area > 20)):
        plan.in_the_middle(pick(rng, _IN_THE_MIDDLE[theme]))
    if rng.random() < 0.12 and height > 2.5:
        _beams(plan)
    for make in (fittings.picture, fittings.papers, fittings.wall_shelf, fittings.clock):
        for _ in range(int(rng.integers(0, 5 if make is fittings.picture else 2))):
            plan.on_wall(make)
    for k in range(4):
        plan.on_wall(lambda r, k=k: fittings.socket(r, switch=k == 0), tries=3)  # type: ignore[misc]
    ambient, exposure = between(rng, 0.2, 1.2), between(rng, 0.75, 1.25)
    return Room(plan.size, shell, tuple(plan.boxes), tuple(lamps), ambient, exposure, seed, theme)

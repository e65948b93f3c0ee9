"""What hangs on walls and ceilings, and groups on the floor; local frame as in ``furniture``."""

from __future__ import annotations

import numpy as np

from mickey_hloc.rooms import materials as m
from mickey_hloc.rooms.furniture import block, chair, place, table
from mickey_hloc.rooms.furniture_tall import shelf_content
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Material

DOOR_FRAME = 0.07  # metres on the left, right and top of the leaf


def door(rng: Rng) -> list[Box]:
    """A door leaf of 69 to 96 x 198 to 211 cm in its frame."""
    width = pick(rng, [0.686, 0.735, 0.762, 0.813, 0.86, 0.915, 0.96])
    height = pick(rng, [1.98, 1.985, 2.03, 2.04, 2.11])
    grained = rng.random() < 0.45
    leaf = m.wood_colors(rng)[0] if grained else pick(rng, [(0.92, 0.91, 0.89), m.any_color(rng)], [0.7, 0.3])
    frame = pick(rng, [leaf, (0.9, 0.9, 0.88), m.shade(leaf, 0.75)])
    columns, rows = pick(rng, [(0.0, 0.0), (1.0, 2.0), (2.0, 3.0), (2.0, 2.0), (1.0, 4.0)])
    front = Material("door", (leaf, frame, m.metal(rng)), (columns, rows, 0.6 * grained), wear=between(rng, 0.05, 0.2))
    side = Material("paint", (frame,), wear=0.05)
    x = 0.5 * width + DOOR_FRAME
    return [block(side, (-x, x), (0.0, 0.025), (0.0, height + DOOR_FRAME), front=front, casts_shadow=False)]


def window(rng: Rng, ceiling_height: float) -> list[Box]:
    """A window with its sill, often a radiator below and curtains at its sides."""
    x, sill = 0.5 * between(rng, 0.7, 1.9), between(rng, 0.8, 1.0)
    top = min(sill + between(rng, 1.1, 1.4), ceiling_height - 0.15)
    frame = pick(rng, [(0.95, 0.95, 0.94), m.wood_colors(rng)[0], (0.25, 0.26, 0.28)], [0.6, 0.25, 0.15])
    sky = m.hsv(0.58, between(rng, 0.05, 0.4), 0.98)
    land = m.hsv(between(rng, 0.05, 0.4), between(rng, 0.1, 0.5), between(rng, 0.25, 0.6))
    grid = (float(max(round(x / 0.35), 1)), float(pick(rng, [1, 1, 2])))
    panes = Material("window", (frame, sky, land), grid, wear=0.02, emission=between(rng, 0.9, 1.8))
    plain = Material("paint", (frame,), wear=0.05)
    boxes = [
        block(plain, (-x, x), (0.0, 0.03), (sill, top), front=panes, casts_shadow=False),
        block(plain, (-x - 0.05, x + 0.05), (0.0, between(rng, 0.1, 0.22)), (sill - 0.03, sill), casts_shadow=False),
    ]
    if rng.random() < 0.6:
        white = Material("radiator", ((0.93, 0.93, 0.91),), (pick(rng, [0.033, 0.05, 0.06]),), wear=0.05)
        length = 0.9 * x
        boxes.append(block(white, (-length, length), (0.04, 0.13), (0.12, sill - 0.15)))
    if rng.random() < 0.5:
        base = m.any_color(rng, (0.05, 0.5), (0.4, 0.95))
        stripe = pick(rng, [0.0, between(rng, 0.1, 0.3)])
        cloth = Material("curtain", (base, m.shade(base, 0.7)), (between(rng, 0.06, 0.13), stripe), wear=0.1)
        low = pick(rng, [0.03, sill - 0.1])
        boxes += [
            block(cloth, side, (0.14, 0.2), (low, min(top + 0.15, ceiling_height - 0.02)))
            for side in ((-x - 0.3, -x + 0.08), (x - 0.08, x + 0.3))
        ]
    return boxes


def picture(rng: Rng) -> list[Box]:
    """A print of A4 to A1 or a usual frame, its middle at 1.4 to 1.65 m."""
    w, h = pick(rng, [(0.21, 0.297), (0.297, 0.42), (0.42, 0.594), (0.594, 0.841), (0.5, 0.7), (0.3, 0.4), (0.4, 0.5)])
    if rng.random() < 0.35:
        w, h = h, w
    edge = pick(rng, [0.0, 0.015, 0.025, 0.04])
    colors = (
        pick(rng, [(0.1, 0.1, 0.1), m.wood_colors(rng)[0], (0.9, 0.9, 0.88)]),
        (0.93, 0.92, 0.88),
        m.any_color(rng),
    )
    front = Material("picture", colors, (edge, pick(rng, [0.0, 0.04, 0.06])), wear=0.04)
    z = between(rng, 1.4, 1.65)
    thick = 0.02 if edge else 0.003
    plain = Material("paint", colors[:1])
    return [block(plain, (-w / 2, w / 2), (0.0, thick), (z - h / 2, z + h / 2), front=front, casts_shadow=False)]


def papers(rng: Rng) -> list[Box]:
    """Two to five sheets of A4 pinned up askew: no other thing has so well known a size."""
    boxes: list[Box] = []
    for k in range(int(rng.integers(2, 6))):
        tint = pick(rng, [(0.96, 0.96, 0.94), m.any_color(rng, (0.1, 0.3), (0.85, 0.95))], [0.75, 0.25])
        sheet = Material("paper", (tint, (0.1, 0.1, 0.15), m.any_color(rng)), (between(rng, 0.006, 0.012),), wear=0.02)
        x, z = 0.26 * (k - 1.5) + between(rng, -0.02, 0.02), between(rng, 1.35, 1.65)
        boxes.append(block(sheet, (x - 0.105, x + 0.105), (0.0, 0.002), (z - 0.1485, z + 0.1485), casts_shadow=False))
    return boxes


def wall_shelf(rng: Rng) -> list[Box]:
    """A board with books at 1.3 to 1.7 m."""
    x, z, board = 0.5 * between(rng, 0.6, 1.2), between(rng, 1.3, 1.7), m.furniture(rng)
    boxes = [block(board, (-x, x), (0.0, 0.24), (z, z + 0.02))]
    return boxes + shelf_content(rng, (-x, x), z + 0.02, 0.4)


def clock(rng: Rng) -> list[Box]:
    """A clock of about 30 cm."""
    r, z = 0.5 * between(rng, 0.25, 0.35), between(rng, 1.7, 1.95)
    rim = m.any_color(rng, (0.0, 0.6), (0.1, 0.9))
    face = Material("clock", ((0.95, 0.95, 0.93), rim, rim), wear=0.03)
    return [block(Material("paint", (rim,)), (-r, r), (0.0, 0.04), (z - r, z + r), front=face, casts_shadow=False)]


def socket(rng: Rng, switch: bool = False) -> list[Box]:
    """One to three power sockets 30 cm above the floor, or a light switch at 1.05 to 1.15 m: 8 cm each."""
    gangs = 1 if switch else int(rng.integers(1, 4))
    z = between(rng, 1.05, 1.15) if switch else between(rng, 0.22, 0.32)
    white = pick(rng, [(0.95, 0.95, 0.93), (0.9, 0.87, 0.75), (0.3, 0.3, 0.32)], [0.75, 0.15, 0.1])
    front = Material("socket", (white,), (float(switch),), wear=0.02)
    plain = Material("paint", (white,))
    return [block(plain, (-0.04 * gangs, 0.04 * gangs), (0.0, 0.01), (z, z + 0.08), front=front, casts_shadow=False)]


def ceiling_lamp(rng: Rng, height: float) -> tuple[list[Box], float]:
    """A panel, a tube or a hanging lamp around the local origin, and the height of its light."""
    color = (1.0, between(rng, 0.9, 1.0), between(rng, 0.75, 1.0))
    glow = Material("paint", (color,), wear=0.0, emission=2.5)
    kind = pick(rng, ["panel", "tube", "pendant"])
    if kind == "pendant" and height > 2.35:
        r, z = between(rng, 0.12, 0.24), between(rng, 1.95, height - 0.35)
        cord = Material("paint", ((0.15, 0.15, 0.15),))
        shade_ = Material("fabric", (m.any_color(rng, (0.0, 0.5), (0.6, 0.95)),), emission=1.3)
        lamp = block(shade_, (-r, r), (-r, r), (z, z + 0.22), yaw=between(rng, 0.0, 1.5), casts_shadow=False)
        return [block(cord, (-0.006, 0.006), (-0.006, 0.006), (z + 0.22, height)), lamp], z - 0.05
    x, y = (0.3, 0.3) if kind == "panel" else (0.6, 0.09)
    return [block(glow, (-x, x), (-y, y), (height - 0.05, height), casts_shadow=False)], height - 0.2


def rug(rng: Rng) -> list[Box]:
    """A rug of 1.2 x 0.7 to 3 x 2 m, about a centimetre thick, around the local origin."""
    x, y = pick(rng, [(0.6, 0.35), (0.85, 0.6), (1.0, 0.7), (1.15, 0.8), (1.5, 1.0)])
    colors = tuple(m.any_color(rng, (0.2, 0.7), (0.2, 0.85)) for _ in range(3))
    top = Material("rug", colors, (between(rng, 0.1, 0.3),), wear=0.15)
    thick = between(rng, 0.006, 0.015)  # uneven, as two rugs may overlap
    return [block(Material("fabric", colors[:1]), (-x, x), (-y, y), (0.0, thick), top=top, casts_shadow=False)]


def floor_lamp(rng: Rng) -> list[Box]:
    """A standing lamp, 1.5 to 1.7 m high."""
    z, metal = between(rng, 1.25, 1.4), Material("paint", (m.metal(rng),))
    shade_ = Material("fabric", ((0.98, 0.9, 0.75),), emission=1.6)
    foot = block(metal, (-0.14, 0.14), (0.02, 0.3), (0.0, 0.03))
    pole = block(metal, (-0.012, 0.012), (0.148, 0.172), (0.03, z))
    return [foot, pole, block(shade_, (-0.16, 0.16), (0.0, 0.32), (z, z + 0.26), casts_shadow=False)]


def dining_group(rng: Rng) -> list[Box]:
    """A table with two to six chairs around it, about the local origin."""
    length = between(rng, 1.1, 1.8)
    boxes = place(table(rng, length), 0.0, -0.4, 0.0)
    seed = int(rng.integers(1 << 31))
    places = [(x, side) for side in (-1, 1) for x in ((-0.25 * length, 0.25 * length) if length > 1.3 else (0.0,))]
    for x, side in places:
        if rng.random() < 0.8:
            # Chairs of one set look alike; each faces the table.
            one = chair(np.random.default_rng(seed))
            away = between(rng, 0.5, 0.75)
            boxes += place(one, x, side * away + 0.44 * side, np.pi if side > 0 else 0.0)
    return boxes

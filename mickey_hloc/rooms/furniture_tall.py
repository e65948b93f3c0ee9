"""Shelves, cupboards and kitchens, as in ``furniture``."""

from __future__ import annotations

from mickey_hloc.rooms import materials as m
from mickey_hloc.rooms.furniture import block, carton_material, clutter
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Material


def bookcase(rng: Rng) -> list[Box]:
    """Shelves 30 cm deep with rows of books (20 to 28 cm high) and boxes."""
    x, depth, height = 0.5 * pick(rng, [0.6, 0.8, 0.9, 1.2]), 0.3, pick(rng, [1.06, 1.4, 1.8, 2.0])
    material, t = m.furniture(rng), 0.02
    boxes = [block(material, (sx, sx + t), (0.0, depth), (0.0, height)) for sx in (-x, x - t)]
    boxes.append(block(material, (-x + t, x - t), (0.0, 0.01), (0.0, height)))
    levels = max(int(height / pick(rng, [0.33, 0.37])), 2)
    pitch = (height - 0.05) / levels
    for k in range(levels + 1):
        z = 0.05 + k * pitch - t
        boxes.append(block(material, (-x + t, x - t), (0.01, depth - 0.002), (z, z + t)))
        if k < levels:
            boxes += shelf_content(rng, (-x + t, x - t), z + t, pitch - t)
    return boxes


def shelf_content(rng: Rng, x: tuple[float, float], z: float, room: float) -> list[Box]:
    """One or two things on a board with ``room`` metres above it."""
    boxes, left = [], x[0] + 0.005
    for _ in range(2):
        width = min(between(rng, 0.2, 0.7), x[1] - left - 0.005)
        if width < 0.1:
            break
        kind = pick(rng, ["books", "carton", "nothing"], [0.75, 0.12, 0.13])
        if kind == "books":
            row = Material("books", ((0.06, 0.05, 0.05),), (between(rng, 0.02, 0.045),), wear=0.08)
            top = min(between(rng, 0.22, 0.31), room - 0.02)
            pages = Material("paint", ((0.8, 0.77, 0.68),))
            boxes.append(block(pages, (left, left + width), (0.02, between(rng, 0.2, 0.26)), (z, z + top), front=row))
        elif kind == "carton":
            size = min(0.26, width)
            boxes.append(block(carton_material(rng), (left, left + size), (0.03, 0.27), (z, z + min(0.2, room - 0.03))))
        left += width + between(rng, 0.0, 0.1)
    return boxes


def _fronts(rng: Rng, pitch_u: float, pitch_v: float, handle: float) -> tuple[Material, Material]:
    """Carcass and fronts of a cupboard."""
    if rng.random() < 0.5:
        light, dark = m.wood_colors(rng)
    else:
        light = m.lacquer(rng).colors[0]
        dark = m.shade(light, 0.97)
    body = Material("wood", (light, dark), (0.4,), wear=between(rng, 0.05, 0.15))
    inset = float(rng.random() < 0.4)
    return body, Material("cabinet", (light, dark, m.metal(rng)), (pitch_u, pitch_v, handle, inset), wear=0.1)


def wardrobe(rng: Rng) -> list[Box]:
    """A cupboard about 2 m high, doors 45 to 60 cm wide."""
    doors = int(rng.integers(2, 5))
    x, depth, height = 0.5 * doors * pick(rng, [0.45, 0.5, 0.6]), pick(rng, [0.4, 0.58, 0.6]), between(rng, 1.8, 2.2)
    body, fronts = _fronts(rng, 2 * x / doors, 3.0, pick(rng, [0.0, 2.0]))
    boxes = [block(body, (-x, x), (0.0, depth), (0.0, height), front=fronts)]
    if rng.random() < 0.4 and height < 2.05:
        boxes.append(block(carton_material(rng), (-0.25, 0.2), (0.05, 0.4), (height, height + 0.25), yaw=0.1))
    return boxes


def chest(rng: Rng) -> list[Box]:
    """A chest of drawers, 75 to 110 cm high, with things on it."""
    x, depth, height = 0.5 * between(rng, 0.7, 1.2), between(rng, 0.4, 0.5), between(rng, 0.75, 1.1)
    body, fronts = _fronts(rng, 2 * x / pick(rng, [1, 2]), pick(rng, [0.18, 0.22, 0.27]), pick(rng, [0.0, 1.0]))
    boxes = [block(body, (-x, x), (0.0, depth), (0.0, height), front=fronts)]
    return boxes + clutter(rng, (-x, x), (0.0, depth), height, int(rng.integers(1, 3)))


def nightstand(rng: Rng) -> list[Box]:
    """A small cabinet of 45 cm with a lamp or a book."""
    body, fronts = _fronts(rng, 0.45, 0.22, pick(rng, [0.0, 1.0]))
    return [
        block(body, (-0.22, 0.22), (0.0, 0.4), (0.0, 0.5), front=fronts),
        *clutter(rng, (-0.2, 0.2), (0.0, 0.4), 0.5, 1),
    ]


def kitchen(rng: Rng) -> list[Box]:
    """Base units of 60 cm under a worktop at 90 cm, an oven or washing machine, wall cupboards, splashback."""
    units = int(rng.integers(3, 6))
    x, depth = 0.3 * units, 0.6
    body, fronts = _fronts(rng, 0.6, pick(rng, [0.26, 0.78]), 1.0)
    top = m.wood(rng) if rng.random() < 0.5 else Material("terrazzo", m.floor(rng, wet=True).colors, (0.004,), wear=0.1)
    machine = int(rng.integers(units))
    m0, m1 = -x + 0.6 * machine, -x + 0.6 * machine + 0.6
    front = Material(
        "appliance", ((0.85, 0.85, 0.85), (0.6, 0.6, 0.62), (0.05, 0.05, 0.06)), (pick(rng, [0.0, 1.0]),), wear=0.04
    )
    boxes = [
        block(top, (-x, x), (0.0, depth), (0.87, 0.91)),
        block(body, (m0, m1), (0.0, 0.57), (0.09, 0.87), front=front),
    ]
    boxes.append(block(m.lacquer(rng), (-x, x), (0.05, 0.53), (0.0, 0.09)))
    boxes += [
        block(body, side, (0.0, 0.57), (0.09, 0.87), front=fronts)
        for side in ((-x, m0), (m1, x))
        if side[1] > side[0] + 0.1
    ]
    splash = m.wall(rng, wet=True)
    boxes.append(block(splash, (-x, x), (0.0, 0.008), (0.91, 1.45), casts_shadow=False))
    boxes.append(
        block(
            body,
            (-x, x - 0.6 * (units > 3)),
            (0.0, 0.35),
            (1.45, between(rng, 2.05, 2.2)),
            front=_fronts(rng, 0.6, 1.0, 0.0)[1],
        )
    )
    return boxes + clutter(rng, (-x, x), (0.05, depth), 0.91, 3)


def fridge(rng: Rng) -> list[Box]:
    """A fridge, 60 cm wide."""
    color = pick(rng, [(0.93, 0.93, 0.92), (0.7, 0.7, 0.72), m.any_color(rng)], [0.6, 0.25, 0.15])
    body = Material("paint", (color,), (0.0,), wear=0.05)
    front = Material("appliance", (color, (0.7, 0.7, 0.7), (0.1, 0.1, 0.1)), (2.0,), wear=0.06)
    return [block(body, (-0.3, 0.3), (0.02, 0.64), (0.02, between(rng, 1.5, 1.85)), front=front)]


def washing_machine(rng: Rng) -> list[Box]:
    """A washing machine, 60 x 60 x 85 cm."""
    white = Material("paint", ((0.93, 0.93, 0.93),), wear=0.05)
    front = Material("appliance", ((0.93, 0.93, 0.93), (0.6, 0.6, 0.62), (0.08, 0.09, 0.1)), (1.0,), wear=0.04)
    return [
        block(white, (-0.3, 0.3), (0.02, 0.6), (0.0, 0.85), front=front),
        *clutter(rng, (-0.3, 0.3), (0.05, 0.6), 0.85, 1),
    ]


def washbasin(rng: Rng) -> list[Box]:
    """A vanity unit at 85 cm with a basin and a cabinet over it."""
    body, fronts = _fronts(rng, 0.35, 0.6, 0.0)
    white = Material("paint", ((0.95, 0.95, 0.95),), wear=0.03)
    return [
        block(body, (-0.4, 0.4), (0.0, 0.45), (0.25, 0.75), front=fronts),
        block(white, (-0.42, 0.42), (0.0, 0.48), (0.75, 0.86)),
        block(body, (-0.35, 0.35), (0.0, 0.15), (1.3, 1.95), front=fronts),
        block(m.lacquer(rng), (-0.02, 0.02), (0.06, 0.2), (0.86, 1.0)),
    ]


def bathtub(rng: Rng) -> list[Box]:
    """A tub of 1.7 x 0.75 m, tiled in."""
    white = Material("paint", ((0.96, 0.96, 0.96),), wear=0.03)
    return [
        block(m.wall(rng, wet=True), (-0.86, 0.86), (0.0, 0.76), (0.0, 0.52)),
        block(white, (-0.87, 0.87), (0.0, 0.77), (0.52, 0.57)),
    ]

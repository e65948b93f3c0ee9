"""Furniture of usual sizes, as boxes in a local frame: x to the side, the front towards +y, the back at y = 0, z up.

Every builder takes a random generator and returns its boxes; `place` turns and moves them into the room.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from mickey_hloc.rooms import materials as m
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Material

Builder = Callable[[Rng], list[Box]]


def block(
    material: Material,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    *,
    front: Material | None = None,
    top: Material | None = None,
    yaw: float = 0.0,
    casts_shadow: bool = True,
) -> Box:
    """A box from its extents (turned about its own centre by ``yaw``)."""
    centre = (0.5 * (x[0] + x[1]), 0.5 * (y[0] + y[1]), 0.5 * (z[0] + z[1]))
    return Box(centre, (x[1] - x[0], y[1] - y[0], z[1] - z[0]), yaw, material, front, top, casts_shadow)


def place(boxes: list[Box], x: float, y: float, yaw: float, z: float = 0.0) -> list[Box]:
    """Boxes of a local frame, turned by ``yaw`` and moved so that the local origin comes to (x, y, z)."""
    c, s = np.cos(yaw), np.sin(yaw)
    moved = []
    for box in boxes:
        bx, by, bz = box.centre
        centre = (float(x + c * bx - s * by), float(y + s * bx + c * by), bz + z)
        moved.append(dataclasses.replace(box, centre=centre, yaw=box.yaw + yaw))
    return moved


def extent(boxes: list[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (3,) of boxes, metres; their yaw counts."""
    corners = []
    for box in boxes:
        turn = np.abs(box.box_from_world.T) @ (0.5 * np.array(box.size))
        corners += [np.array(box.centre) - turn, np.array(box.centre) + turn]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _legs(material: Material, x: float, y0: float, y1: float, height: float, thick: float) -> list[Box]:
    return [
        block(material, (sx, sx + thick), (sy, sy + thick), (0.0, height))
        for sx in (-x, x - thick)
        for sy in (y0, y1 - thick)
    ]


def table(rng: Rng, length: float | None = None) -> list[Box]:
    """A dining or writing table, 72 to 76 cm high, with things on it."""
    x = 0.5 * (length or between(rng, 1.0, 1.8))
    depth, height, thick = between(rng, 0.7, 0.9), between(rng, 0.72, 0.76), between(rng, 0.02, 0.04)
    material = m.furniture(rng)
    boxes = [block(material, (-x, x), (0.0, depth), (height - thick, height))]
    boxes += _legs(material, x - 0.03, 0.03, depth - 0.03, height - thick, between(rng, 0.04, 0.07))
    return boxes + clutter(rng, (-x, x), (0.0, depth), height, int(rng.integers(1, 4)))


def coffee_table(rng: Rng) -> list[Box]:
    """A low table, about 45 cm high."""
    x, depth, height = 0.5 * between(rng, 0.8, 1.2), between(rng, 0.5, 0.65), between(rng, 0.38, 0.48)
    material = m.furniture(rng)
    boxes = [block(material, (-x, x), (0.0, depth), (height - 0.04, height))]
    boxes += _legs(material, x - 0.02, 0.02, depth - 0.02, height - 0.04, 0.05)
    return boxes + clutter(rng, (-x, x), (0.0, depth), height, 2)


def clutter(rng: Rng, x: tuple[float, float], y: tuple[float, float], z: float, count: int) -> list[Box]:
    """Small things on a surface at height z: books, sheets, laptops, boxes, mugs."""
    boxes = []
    spots = np.linspace(x[0], x[1], count + 1)
    for k in range(count):
        cx, cy = 0.5 * (spots[k] + spots[k + 1]), between(rng, y[0] + 0.2, max(y[1] - 0.2, y[0] + 0.21))
        boxes += place(_small_thing(rng), cx, cy, between(rng, -0.5, 0.5), z)
    return boxes


def _small_thing(rng: Rng) -> list[Box]:
    kind = pick(rng, ["books", "paper", "laptop", "carton", "mug"])
    if kind == "books":
        cover = Material("picture", (m.any_color(rng), m.any_color(rng), m.any_color(rng)), (0.01, 0.0))
        pages = Material("paint", ((0.9, 0.88, 0.8),))
        lower = block(pages, (-0.12, 0.12), (-0.085, 0.085), (0.0, between(rng, 0.02, 0.05)), top=cover)
        level = lower.size[2]
        return [lower, block(pages, (-0.1, 0.1), (-0.07, 0.07), (level, level + 0.025), top=cover, yaw=0.3)]
    if kind == "paper":
        sheet = Material("paper", ((0.95, 0.95, 0.93), (0.1, 0.1, 0.15), m.any_color(rng)), (0.0065,), wear=0.02)
        return [block(sheet, (-0.105, 0.105), (-0.1485, 0.1485), (0.0, 0.004), casts_shadow=False)]
    if kind == "laptop":
        grey = Material("paint", ((0.6, 0.6, 0.62),))
        keys = Material("keyboard", ((0.6, 0.6, 0.62), (0.15, 0.15, 0.16)))
        screen = Material("screen", ((0.1, 0.1, 0.1), (0.9, 0.9, 0.92), m.any_color(rng)), wear=0.0, emission=0.8)
        return [
            block(grey, (-0.16, 0.16), (-0.11, 0.11), (0.0, 0.018), top=keys),
            block(grey, (-0.16, 0.16), (-0.12, -0.112), (0.018, 0.225), front=screen),
        ]
    if kind == "carton":
        side = between(rng, 0.12, 0.22)
        return [block(carton_material(rng), (-side / 2, side / 2), (-0.08, 0.08), (0.0, between(rng, 0.08, 0.2)))]
    return [block(m.lacquer(rng), (-0.04, 0.04), (-0.04, 0.04), (0.0, 0.095))]


def carton_material(rng: Rng) -> Material:
    """Cardboard with tape and a label."""
    brown = m.hsv(between(rng, 0.07, 0.1), between(rng, 0.35, 0.5), between(rng, 0.6, 0.78))
    return Material("cardboard", (brown, m.shade(brown, 0.75), (0.95, 0.95, 0.93)), wear=0.2, grain=0.1)


def chair(rng: Rng) -> list[Box]:
    """A chair: seat at 45 cm, back to about 85 cm."""
    x, depth, seat, back = 0.21, between(rng, 0.4, 0.46), between(rng, 0.43, 0.48), between(rng, 0.78, 0.98)
    frame = m.furniture(rng)
    cushion = m.cloth(rng) if rng.random() < 0.5 else frame
    boxes = [block(cushion, (-x, x), (0.0, depth), (seat - 0.045, seat))]
    boxes += _legs(frame, x, 0.0, depth, seat - 0.045, 0.035)
    return [*boxes, block(cushion, (-x, x), (0.0, 0.03), (between(rng, seat + 0.02, seat + 0.2), back))]


def desk(rng: Rng) -> list[Box]:
    """A writing table against the wall with a monitor, a keyboard and drawers below."""
    x, depth, height = 0.5 * between(rng, 1.2, 1.8), between(rng, 0.65, 0.8), between(rng, 0.72, 0.76)
    material = m.furniture(rng)
    black = Material("paint", ((0.1, 0.1, 0.11),))
    screen = Material("screen", ((0.08, 0.08, 0.08), (0.92, 0.92, 0.92), m.any_color(rng)), wear=0.0, emission=0.9)
    keys = Material(
        "keyboard", pick(rng, [((0.15, 0.15, 0.15), (0.25, 0.25, 0.26)), ((0.8, 0.8, 0.8), (0.95, 0.95, 0.95))])
    )
    drawers = Material("cabinet", (*material.colors[:1], material.colors[-1], m.metal(rng)), (0.42, 0.2, 1.0))
    w, shift = 0.5 * pick(rng, [0.53, 0.61, 0.71]), between(rng, -0.2, 0.2)
    boxes = [block(material, (-x, x), (0.0, depth), (height - 0.025, height))]
    boxes += [block(material, (sx, sx + 0.03), (0.02, depth - 0.02), (0.0, height - 0.025)) for sx in (-x, x - 0.03)]
    boxes.append(block(material, (x - 0.47, x - 0.04), (0.1, depth - 0.04), (0.03, 0.63), front=drawers))
    boxes.append(block(black, (shift - 0.1, shift + 0.1), (0.1, 0.28), (height, height + 0.012)))
    boxes.append(
        block(black, (shift - w, shift + w), (0.17, 0.2), (height + 0.09, height + 0.09 + 1.12 * w), front=screen)
    )
    boxes.append(block(black, (shift - 0.22, shift + 0.22), (0.42, 0.56), (height, height + 0.02), top=keys))
    return boxes + clutter(rng, (-x, shift - 0.28), (0.1, depth), height, 1)


def stool_or_cartons(rng: Rng) -> list[Box]:
    """One to three cartons of moving-box size, stacked askew."""
    boxes, z = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        sx, sy, sz = between(rng, 0.35, 0.6), between(rng, 0.3, 0.42), between(rng, 0.22, 0.4)
        carton = block(
            carton_material(rng), (-sx / 2, sx / 2), (0.04, 0.04 + sy), (z, z + sz), yaw=between(rng, -0.2, 0.2)
        )
        boxes.append(carton)
        z += sz
    return boxes


def sofa(rng: Rng) -> list[Box]:
    """A sofa of two or three seats; seat 42 cm, back 85 cm."""
    seats = int(rng.integers(1, 4))
    x, depth, arm = 0.5 * (seats * 0.62 + 0.36), between(rng, 0.82, 0.95), 0.18
    material = m.cloth(rng)
    seat = dataclasses.replace(material, params=(material.params[0], (2 * x - 2 * arm) / seats))
    boxes = [
        block(seat, (-x + arm, x - arm), (0.2, depth), (0.05, 0.42)),
        block(seat, (-x + arm, x - arm), (0.0, 0.22), (0.05, between(rng, 0.75, 0.9))),
    ]
    boxes += [block(material, (sx, sx + arm), (0.0, depth), (0.05, 0.6)) for sx in (-x, x - arm)]
    pillow = m.cloth(rng)
    return [*boxes, block(pillow, (x - arm - 0.45, x - arm - 0.03), (0.225, 0.34), (0.43, 0.8))]


def bed(rng: Rng) -> list[Box]:
    """A bed 2 m long, its head at the wall."""
    x = 0.5 * pick(rng, [0.9, 1.2, 1.4, 1.6, 1.8])
    frame, cover, white = m.furniture(rng), m.cloth(rng), m.cloth(rng)
    boxes = [
        block(frame, (-x - 0.03, x + 0.03), (0.0, 0.05), (0.0, between(rng, 0.8, 1.1))),
        block(frame, (-x - 0.02, x + 0.02), (0.05, 2.08), (0.0, 0.28)),
        block(cover, (-x, x), (0.06, 2.05), (0.28, between(rng, 0.45, 0.55))),
    ]
    top = boxes[2].centre[2] + 0.5 * boxes[2].size[2]
    pillows = 1 if x < 0.65 else 2
    for k in range(pillows):
        cx = (k - 0.5 * (pillows - 1)) * 0.75
        boxes.append(block(white, (cx - 0.33, cx + 0.33), (0.1, 0.5), (top, top + 0.11), yaw=between(rng, -0.1, 0.1)))
    return boxes

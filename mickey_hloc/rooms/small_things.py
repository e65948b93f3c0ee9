"""Small things of everyday sizes that lie and stand about on furniture, floors and walls; local frame as in
``furniture``, each around its origin and standing on z = 0."""

from __future__ import annotations

import dataclasses

import numpy as np

from mickey_hloc.rooms import materials as m
from mickey_hloc.rooms.furniture import Builder, block, carton_material
from mickey_hloc.rooms.materials import Rng, between, pick
from mickey_hloc.rooms.scene import Box, Material

SHEETS = ((0.148, 0.21), (0.21, 0.297), (0.21, 0.297), (0.297, 0.42), (0.11, 0.17), (0.16, 0.24))  # metres


def printed(rng: Rng) -> Material:
    """A cover, a page of text or a printed pattern."""
    kind = pick(rng, ["picture", "paper", "wallpaper"], [0.5, 0.4, 0.1])
    colors = (m.any_color(rng), m.any_color(rng, (0.0, 0.4), (0.6, 0.98)), m.any_color(rng))
    if kind == "picture":
        return Material(kind, colors, (pick(rng, [0.0, 0.004, 0.012]), pick(rng, [0.0, 0.01])), wear=0.03)
    if kind == "paper":
        tint = pick(rng, [(0.96, 0.96, 0.94), m.any_color(rng, (0.05, 0.6), (0.5, 0.97))], [0.6, 0.4])
        ink = pick(rng, [(0.1, 0.1, 0.15), m.any_color(rng, (0.3, 0.9), (0.1, 0.5))])
        return Material(kind, (tint, ink, m.any_color(rng)), (between(rng, 0.004, 0.012),), wear=0.03)
    return Material(kind, colors, (between(rng, 0.015, 0.05), float(rng.integers(4))), wear=0.05)


def plastic(rng: Rng) -> Material:
    """Painted metal, plastic or glazed ware with a few scratches."""
    return dataclasses.replace(m.lacquer(rng), wear=between(rng, 0.05, 0.3), grain=between(rng, 0.02, 0.08))


def round_thing(body: Material, radius: float, z0: float, z1: float, top: Material | None = None) -> list[Box]:
    """Something round: an octagon from above, which is the union of four boxes turned against each other."""
    side = 0.4142 * radius
    boxes = []
    for k in range(4):
        height = z1 - 0.0004 * k  # no two tops in one plane
        extents = (-radius, radius), (-side, side), (z0, height)
        boxes.append(block(body, *extents, top=top, yaw=0.25 * k * np.pi, casts_shadow=k == 0))
    return boxes


def sheets(rng: Rng) -> list[Box]:
    """One to four sheets, leaflets or magazines, thrown one on another."""
    boxes, z = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        w, h = pick(rng, SHEETS)
        thick = pick(rng, [0.0015, 0.003, 0.006, 0.012])
        x, y = between(rng, -0.05, 0.05), between(rng, -0.05, 0.05)
        edge = Material("paint", ((0.9, 0.88, 0.84),))
        extents = (x - w / 2, x + w / 2), (y - h / 2, y + h / 2), (z, z + thick)
        boxes.append(block(edge, *extents, top=printed(rng), yaw=between(rng, -0.8, 0.8), casts_shadow=False))
        z += thick
    return boxes


def stack(rng: Rng) -> list[Box]:
    """A pile of two to six books, nearly straight."""
    boxes, z = [], 0.0
    w, h = between(rng, 0.13, 0.22), between(rng, 0.18, 0.3)
    for _ in range(int(rng.integers(2, 7))):
        thick, cover = between(rng, 0.01, 0.045), printed(rng)
        w, h = w * between(rng, 0.9, 1.0), h * between(rng, 0.9, 1.0)
        back = Material("paint", cover.colors[:1])
        extents = (-w / 2, w / 2), (-h / 2, h / 2), (z, z + thick)
        boxes.append(block(back, *extents, top=cover, yaw=between(rng, -0.25, 0.25)))
        z += thick
    return boxes


def standing_card(rng: Rng) -> list[Box]:
    """A book, leaflet or framed picture standing upright."""
    w, h = pick(rng, SHEETS)
    y = between(rng, 0.004, 0.03)
    back = Material("paint", (m.any_color(rng),))
    return [block(back, (-w / 2, w / 2), (-y / 2, y / 2), (0.0, h), front=printed(rng))]


def mug(rng: Rng) -> list[Box]:
    """A mug or glass, 8 to 11 cm high, its handle at one side."""
    r, h = between(rng, 0.033, 0.045), between(rng, 0.08, 0.11)
    ware = plastic(rng) if rng.random() < 0.6 else printed(rng)
    inside = Material("paint", (pick(rng, [(0.12, 0.07, 0.04), (0.85, 0.85, 0.82), (0.2, 0.2, 0.2)]),))
    handle = block(Material("paint", ware.colors[:1]), (r, r + 0.026), (-0.006, 0.006), (0.2 * h, 0.8 * h))
    return [*round_thing(ware, r, 0.0, h, inside), handle]


def bottle(rng: Rng) -> list[Box]:
    """A bottle or jar, 15 to 32 cm high, with a label and a cap."""
    r, h = between(rng, 0.03, 0.045), between(rng, 0.15, 0.32)
    body, cap = plastic(rng), Material("paint", (m.any_color(rng),))
    low, high = between(rng, 0.1, 0.25) * h, between(rng, 0.45, 0.6) * h
    return [
        *round_thing(body, r, 0.0, 0.68 * h),
        *round_thing(printed(rng), r + 0.001, low, high),
        *round_thing(body, 0.45 * r, 0.68 * h, 0.92 * h),
        *round_thing(cap, 0.5 * r, 0.92 * h, h),
    ]


def packet(rng: Rng) -> list[Box]:
    """A packet of food, tissues or parts, printed on all sides, in any position."""
    x, y, z = rng.permutation([between(rng, 0.04, 0.09), between(rng, 0.08, 0.16), between(rng, 0.12, 0.28)]) / 2
    cover = printed(rng) if rng.random() < 0.7 else carton_material(rng)
    return [block(cover, (-x, x), (-y, y), (0.0, 2 * z), front=printed(rng), top=printed(rng))]


def dish(rng: Rng) -> list[Box]:
    """A plate, bowl or tin, 10 to 26 cm wide, something in it."""
    r, h = between(rng, 0.05, 0.13), between(rng, 0.015, 0.09)
    ware, food = plastic(rng), printed(rng) if rng.random() < 0.3 else plastic(rng)
    return [*round_thing(ware, r, 0.0, h), *round_thing(food, 0.8 * r, h, h + 0.004)]


def screen(rng: Rng) -> list[Box]:
    """A monitor on its foot with a keyboard before it, or a television."""
    w, z = 0.5 * pick(rng, [0.44, 0.53, 0.61, 0.71]), between(rng, 0.06, 0.14)
    black = pick(rng, [Material("paint", ((0.08, 0.08, 0.09),)), Material("paint", ((0.75, 0.76, 0.78),))])
    colors = ((0.08, 0.08, 0.09), pick(rng, [(0.92, 0.92, 0.92), (0.1, 0.12, 0.2)]), m.any_color(rng))
    on = Material("screen", colors, wear=0.0, emission=between(rng, 0.4, 1.3))
    off = Material("paint", ((0.03, 0.03, 0.035),), wear=0.15)
    face = on if rng.random() < 0.65 else off
    return [
        block(black, (-0.11, 0.11), (-0.09, 0.09), (0.0, 0.012)),
        block(black, (-0.03, 0.03), (-0.03, -0.005), (0.012, z + 0.05)),
        block(black, (-w, w), (-0.02, 0.02), (z, z + 1.12 * w), front=face),
    ]


def keys(rng: Rng) -> list[Box]:
    """A keyboard with a mouse beside it, or a laptop."""
    grey = pick(rng, [(0.62, 0.62, 0.64), (0.12, 0.12, 0.13), (0.88, 0.88, 0.88)])
    shell = Material("paint", (grey,), wear=0.06)
    top = Material("keyboard", (grey, m.shade(grey, pick(rng, [0.3, 0.7, 1.4]))))
    if rng.random() < 0.45:
        lid = Material("screen", ((0.08, 0.08, 0.08), (0.9, 0.9, 0.92), m.any_color(rng)), wear=0.0, emission=0.8)
        return [
            block(shell, (-0.16, 0.16), (-0.11, 0.11), (0.0, 0.018), top=top),
            block(shell, (-0.16, 0.16), (-0.12, -0.112), (0.018, 0.225), front=lid),
        ]
    mouse = block(plastic(rng), (0.26, 0.32), (-0.05, 0.05), (0.0, 0.034))
    return [block(shell, (-0.22, 0.22), (-0.07, 0.07), (0.0, 0.02), top=top), mouse]


def gadget(rng: Rng) -> list[Box]:
    """A phone, a remote control, a box of parts, a charger: flat, 6 to 16 cm."""
    x, y, z = between(rng, 0.02, 0.05), between(rng, 0.05, 0.08), between(rng, 0.008, 0.04)
    body = plastic(rng)
    face = pick(rng, [printed(rng), Material("keyboard", (body.colors[0], m.shade(body.colors[0], 0.4))), body])
    return [block(body, (-x, x), (-y, y), (0.0, z), top=face)]


def pens(rng: Rng) -> list[Box]:
    """Two to six pens, rulers and cables lying about."""
    boxes = []
    for _ in range(int(rng.integers(2, 7))):
        thick, half = between(rng, 0.003, 0.009), between(rng, 0.05, 0.16)
        x, y = between(rng, -0.12, 0.12), between(rng, -0.12, 0.12)
        extents = (x - half, x + half), (y - thick / 2, y + thick / 2), (0.0, thick)
        boxes.append(block(plastic(rng), *extents, yaw=between(rng, 0.0, 3.14), casts_shadow=False))
    return boxes


def plant(rng: Rng) -> list[Box]:
    """A pot with leaves: boxes of a leafy pattern, thrown together."""
    r, h = between(rng, 0.05, 0.1), between(rng, 0.08, 0.16)
    green = m.hsv(between(rng, 0.2, 0.4), between(rng, 0.3, 0.8), between(rng, 0.25, 0.65))
    leaves = Material("carpet", (green, m.shade(green, 0.4), m.shade(green, 1.5)), (0.0,), wear=0.5, grain=0.05)
    boxes = round_thing(plastic(rng), r, 0.0, h)
    for _ in range(int(rng.integers(4, 9))):
        x, y, z = between(rng, -r, r), between(rng, -r, r), h + between(rng, 0.0, 2.5 * r)
        half, high = between(rng, 0.2, 0.7) * r, between(rng, 0.3, 1.5) * r
        extents = (x - half, x + half), (y - 0.01, y + 0.01), (z, z + high)
        boxes.append(block(leaves, *extents, yaw=between(rng, 0.0, 3.14), casts_shadow=False))
    return boxes


def bin_or_bag(rng: Rng) -> list[Box]:
    """A waste bin, a bag, a crate or a case, 25 to 50 cm high."""
    h = between(rng, 0.22, 0.5)
    if rng.random() < 0.4:
        return round_thing(plastic(rng), between(rng, 0.11, 0.18), 0.0, h, plastic(rng))
    x, y = between(rng, 0.14, 0.26), between(rng, 0.06, 0.18)
    cover = pick(rng, [m.cloth(rng), plastic(rng), carton_material(rng)])
    return [block(cover, (-x, x), (-y, y), (0.0, h), front=pick(rng, [cover, printed(rng)]))]


def shoes(rng: Rng) -> list[Box]:
    """A pair of shoes, 24 to 30 cm long."""
    cover, y = plastic(rng), 0.5 * between(rng, 0.24, 0.3)
    boxes = []
    for x in (-0.07, between(rng, 0.06, 0.12)):
        boxes.append(block(cover, (x - 0.045, x + 0.045), (-y, y), (0.0, 0.06)))
        boxes.append(block(cover, (x - 0.04, x + 0.04), (-y, 0.0), (0.06, 0.1), casts_shadow=False))
    return boxes


ON_FURNITURE: tuple[Builder, ...] = (sheets, sheets, stack, standing_card, standing_card, mug, mug, bottle, packet,
                                     packet, dish, keys, gadget, gadget, pens, plant, screen)  # fmt: skip
ON_FLOOR: tuple[Builder, ...] = (bin_or_bag, bin_or_bag, shoes, sheets, stack, packet, plant)

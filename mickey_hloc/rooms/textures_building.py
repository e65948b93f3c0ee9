"""Textures of floors, walls and ceilings. Real sizes: they are what tells a single image its scale.

Each function takes the ``Samples`` of its kind and returns (3, N) linear reflectance; c0..c2 are the material's
colours, p0..p3 its parameters (metres unless said otherwise).
"""

from __future__ import annotations

import numpy as np

from mickey_hloc.rooms.patterns import (
    Floats,
    Ints,
    above,
    band,
    cell_value,
    cells,
    disc,
    fractal,
    inner,
    mix,
    noise,
    resolved,
    seam,
)
from mickey_hloc.rooms.surfaces import Samples, Texture


def wood_grain(along: Floats, across: Floats, w_along: Floats, w_across: Floats, key: Ints | int) -> Floats:
    """Zero-mean streaks of a few millimetres to centimetres across, half a metre along."""
    warped = across + 0.03 * noise(along, across, 0.5, 0.1, w_along, w_across, key)
    streaks = noise(along, warped, 0.6, 0.022, w_along, w_across, key + 311)
    streaks += 0.7 * noise(along, warped, 0.35, 0.008, w_along, w_across, key + 997)
    return streaks + 0.4 * noise(along, warped, 0.1, 0.0035, w_along, w_across, key + 1777)


def paint(s: Samples) -> Floats:
    """Plain paint c0 over roughcast; p0: strength of the roughness (0..0.3)."""
    rough = noise(s.u, s.v, 0.011, 0.011, s.wu, s.wv, s.key) + noise(s.u, s.v, 0.005, 0.005, s.wu, s.wv, s.key + 91)
    return s.color(0) * (1.0 + s.param(0) * rough)


def concrete(s: Samples) -> Floats:
    """Cast concrete c0 with pores, and joints of boards of p0 x p1 with tie holes."""
    i, du = cells(s.u, s.param(0))
    j, dv = cells(s.v, s.param(1))
    shade = 1.0 + 0.5 * fractal(s.u, s.v, s.w, 0.6, s.key, 5)
    shade += 0.16 * (cell_value(i, j, s.key) - 0.5) * inner(du, s.param(0), s.wu) * inner(dv, s.param(1), s.wv)
    joints = np.maximum(seam(du, s.param(0), 0.006, s.wu), seam(dv, s.param(1), 0.006, s.wv))
    holes = disc(np.abs(du) - 0.3 * s.param(0), np.abs(dv) - 0.25 * s.param(1), 0.012, s.w)
    pi, pu = cells(s.u, 0.045)
    pj, pv = cells(s.v, 0.045)
    pores = disc(pu, pv, 0.001 + 0.006 * cell_value(pi, pj, s.key, 2) ** 3, s.w)
    return s.color(0) * (shade * (1.0 - 0.45 * joints) * (1.0 - 0.7 * holes) * (1.0 - 0.5 * pores))


def brick(s: Samples) -> Floats:
    """Running bond: bricks of c0 to c1, mortar c2; p0 x p1 pitch (length, height), p2 joint width."""
    length, height, joint = s.param(0), s.param(1), s.param(2)
    j, dv = cells(s.v, height)
    i, du = cells(s.u + 0.5 * length * (j & 1), length)
    flat = inner(du, length, s.wu) * inner(dv, height, s.wv)
    tone = 0.5 + (cell_value(i, j, s.key) - 0.5) * flat
    shade = 1.0 + 0.5 * (cell_value(i, j, s.key, 1) - 0.5) * flat
    shade += 0.5 * noise(s.u, s.v, 0.013, 0.013, s.wu, s.wv, s.key) + 0.3 * fractal(s.u, s.v, s.w, 0.06, s.key + 5, 3)
    mortar = np.maximum(seam(du, length, joint, s.wu), seam(dv, height, joint, s.wv))
    shade -= 0.25 * band(dv, -0.5 * height + 0.5 * joint, -0.5 * height + joint, s.wv)  # the shaded lower edge
    return mix(mix(s.color(0), s.color(1), tone) * shade, s.color(2), mortar)


def tiles(s: Samples) -> Floats:
    """Square or oblong tiles, joints c2; p0 x p1 pitch, p2 joint width; p3: share of c1 (1 = chequered)."""
    i, du = cells(s.u, s.param(0))
    j, dv = cells(s.v, s.param(1))
    flat = inner(du, s.param(0), s.wu) * inner(dv, s.param(1), s.wv)
    chequered = ((i + j) & 1).astype(np.float32)
    scattered = above(cell_value(i, j, s.key, 1), 1.0 - 0.5 * s.param(3), 1e-3)
    other = np.where(s.param(3) >= 1.0, chequered, scattered)
    other = 0.5 * s.param(3) + (other - 0.5 * s.param(3)) * flat
    shade = 1.0 + 0.14 * (cell_value(i, j, s.key) - 0.5) * flat
    # Veins that stop at each tile's border, as each tile is another piece of stone.
    piece = (cell_value(i, j, s.key, 2) * 60000).astype(np.int64)
    shade += 0.3 * fractal(s.u, s.v, s.w, 0.12, s.key + piece, 4) * flat
    joints = np.maximum(seam(du, s.param(0), s.param(2), s.wu), seam(dv, s.param(1), s.param(2), s.wv))
    return mix(mix(s.color(0), s.color(1), other) * shade, s.color(2), joints)


def planks(s: Samples) -> Floats:
    """Floor boards along u: c0 to c1; p0 width, p1 length, p2 gap."""
    width, length, gap = s.param(0), s.param(1), s.param(2)
    j, dv = cells(s.v, width)
    i, du = cells(s.u + length * cell_value(j, 0, s.key, 3), length)
    flat = inner(du, length, s.wu) * inner(dv, width, s.wv)
    tone = 0.5 + (cell_value(i, j, s.key) - 0.5) * flat
    board = (cell_value(i, j, s.key, 1) * 60000).astype(np.int64)
    shade = 1.0 + 0.55 * wood_grain(s.u, s.v, s.wu, s.wv, s.key + board)
    # Knots: one on some boards.
    knot = disc(0.5 * (du - (cell_value(i, j, s.key, 4) - 0.5) * length), dv, 0.012, s.w)
    shade -= 0.55 * knot * above(cell_value(i, j, s.key, 5), 0.6, 1e-3)
    gaps = np.maximum(seam(du, length, gap, s.wu), seam(dv, width, gap, s.wv))
    return mix(s.color(0), s.color(1), tone) * (shade * (1.0 - 0.75 * gaps))


def parquet(s: Samples) -> Floats:
    """Squares of p0 laid of p1 (a count) strips whose direction alternates; c0 to c1."""
    side, strips = s.param(0), s.param(1)
    i, du = cells(s.u, side)
    j, dv = cells(s.v, side)
    turned = ((i + j) & 1).astype(bool)
    along, across = np.where(turned, dv, du), np.where(turned, du, dv)
    w_along, w_across = np.where(turned, s.wv, s.wu), np.where(turned, s.wu, s.wv)
    k, dk = cells(across + 0.5 * side, side / strips)
    flat = inner(dk, side / strips, w_across) * inner(along, side, w_along)
    piece = (i * 31 + j) * 8 + k
    tone = 0.5 + (cell_value(piece, 0, s.key) - 0.5) * flat
    shade = 1.0 + 0.5 * wood_grain(along, across, w_along, w_across, s.key + piece * 911)
    gaps = np.maximum(seam(dk, side / strips, 0.0015, w_across), seam(along, side, 0.002, w_along))
    return mix(s.color(0), s.color(1), tone) * (shade * (1.0 - 0.7 * gaps))


def wallpaper(s: Samples) -> Floats:
    """Printed paper: c0 with a motif in c1 and c2 repeating every p0; p1: 0 stripes, 1 dots, 2 diamonds, 3 flowers."""
    pitch, motif = s.param(0), s.param(1)
    j, dv = cells(s.v, pitch)
    i, du = cells(s.u + 0.5 * pitch * ((j & 1) * (motif > 0)), pitch)
    _, dk = cells(s.u, pitch)
    stripes = band(dk, -0.25 * pitch, 0.25 * pitch, s.wu)
    dots = disc(du, dv, 0.16 * pitch, s.w)
    diamonds = above(0.34 * pitch - np.abs(du) - 0.8 * np.abs(dv), 0.0, s.w)
    petals = 1.0 + 0.5 * np.cos(5.0 * np.arctan2(dv, du + 1e-6) + 6.0 * cell_value(i, j, s.key, 1))
    flowers = disc(du / petals, dv / petals, 0.26 * pitch, s.w)
    shape = np.where(motif < 0.5, stripes, np.where(motif < 1.5, dots, np.where(motif < 2.5, diamonds, flowers)))
    shape = shape * resolved(pitch, s.w) + 0.3 * (1.0 - resolved(pitch, s.w))
    heart = disc(du, dv, 0.07 * pitch, s.w) * (motif >= 0.5)
    rough = 1.0 + 0.1 * noise(s.u, s.v, 0.008, 0.008, s.wu, s.wv, s.key)
    rough *= 1.0 - 0.1 * band(cells(s.u, 0.53)[1], -0.001, 0.001, np.minimum(s.wu, 0.53))  # rolls are 53 cm wide
    return mix(mix(s.color(0), s.color(1), shape), s.color(2), heart) * rough


def carpet(s: Samples) -> Floats:
    """Woven floor c0 flecked with c1, c2; p0 = side of carpet tiles laid in turns (0 = one piece)."""
    tuft = noise(s.u, s.v, 0.006, 0.006, s.wu, s.wv, s.key) + noise(s.u, s.v, 0.014, 0.014, s.wu, s.wv, s.key + 17)
    fleck = np.clip(4.0 * noise(s.u, s.v, 0.012, 0.012, s.wu, s.wv, s.key + 41) - 0.6, 0.0, 1.0)
    fleck2 = 0.6 * np.clip(4.0 * noise(s.u, s.v, 0.016, 0.016, s.wu, s.wv, s.key + 77) - 0.8, 0.0, 1.0)
    shade = 1.0 + 0.6 * tuft + 0.3 * fractal(s.u, s.v, s.w, 0.4, s.key + 3, 3)
    side = np.maximum(s.param(0), 0.05)
    i, du = cells(s.u, side)
    j, dv = cells(s.v, side)
    tiled = np.minimum(s.param(0) * 100.0, 1.0)
    shade += tiled * 0.25 * (((i + j) & 1) - 0.5) * inner(du, side, s.wu) * inner(dv, side, s.wv)
    return mix(mix(s.color(0), s.color(1), fleck), s.color(2), fleck2) * shade


def terrazzo(s: Samples) -> Floats:
    """Stone chips c1 and c2 of p0 (mean size) in a ground c0."""
    pitch = s.param(0) * 2.2
    color = s.color(0) * (1.0 + 0.2 * fractal(s.u, s.v, s.w, 0.1, s.key, 3))
    for layer in range(2):
        i, du = cells(s.u + 0.37 * layer * pitch, pitch)
        j, dv = cells(s.v + 0.61 * layer * pitch, pitch)
        radius = s.param(0) * (0.3 + 0.7 * cell_value(i, j, s.key, 4 * layer))
        du = du - (cell_value(i, j, s.key, 4 * layer + 1) - 0.5) * (pitch - 2 * radius)
        dv = dv - (cell_value(i, j, s.key, 4 * layer + 2) - 0.5) * (pitch - 2 * radius)
        angle = 6.28 * cell_value(i, j, s.key, 4 * layer + 3)
        c, t = np.cos(angle), np.sin(angle)
        chip = disc(c * du + t * dv, 1.7 * (c * dv - t * du), radius, s.w)
        color = mix(color, s.color(1 + layer), chip)
    return color


def panelling(s: Samples) -> Floats:
    """Upright boards of p0 width, c0 to c1, stained wood (p1 = 1) or paint (p1 = 0)."""
    i, du = cells(s.u, s.param(0))
    flat = inner(du, s.param(0), s.wu)
    tone = 0.5 + (cell_value(i, 0, s.key) - 0.5) * flat
    shade = 1.0 + 0.5 * s.param(1) * wood_grain(s.v, s.u, s.wv, s.wu, s.key + i * 911)
    grooves = seam(du, s.param(0), 0.008, s.wu)
    return mix(s.color(0), s.color(1), tone) * (shade * (1.0 - 0.6 * grooves))


KINDS: dict[str, Texture] = {
    f.__name__: f for f in (paint, concrete, brick, tiles, planks, parquet, wallpaper, carpet, terrazzo, panelling)
}

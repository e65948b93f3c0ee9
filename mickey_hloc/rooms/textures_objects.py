"""Textures of furniture and fittings: things whose real size people know. Conventions as in ``textures_building``."""

from __future__ import annotations

import numpy as np

from mickey_hloc.rooms.patterns import (
    Floats,
    Ints,
    Number,
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
from mickey_hloc.rooms.textures_building import wood_grain


def _many_colored(i: Ints, j: Ints | int, key: Ints | int, vivid: float = 0.8) -> Floats:
    """A random colour (3, N) for each cell, from dark to light, pale to vivid."""
    rgb = np.stack([cell_value(i, j, key, 11 + channel) for channel in range(3)])
    grey = cell_value(i, j, key, 14)
    return np.square(grey + vivid * (rgb - grey) * cell_value(i, j, key, 15)) * 0.9


def _rectangle(s: Samples, u0: Number, u1: Number, v0: Number, v1: Number) -> Floats:
    return band(s.u, u0, u1, s.wu) * band(s.v, v0, v1, s.wv)


def wood(s: Samples) -> Floats:
    """Furniture wood c0 with streaks towards c1, grain along the longer side; p0: strength."""
    width, height = s.size
    upright = height > width
    along, across = np.where(upright, s.v, s.u), np.where(upright, s.u, s.v)
    w_along, w_across = np.where(upright, s.wv, s.wu), np.where(upright, s.wu, s.wv)
    grain = wood_grain(along, across, w_along, w_across, s.key)
    edge = np.minimum(np.minimum(s.u, width - s.u), np.minimum(s.v, height - s.v))
    color = mix(s.color(0), s.color(1), np.clip(0.5 + 1.2 * grain, 0.0, 1.0))
    return color * ((1.0 + s.param(0) * grain) * (0.85 + 0.15 * above(edge, 0.004, s.w)))


def door(s: Samples) -> Floats:
    """A door leaf c0 in a frame c1 (7 cm) with handle c2 at 1.05 m; p0 x p1 panels, p2: wood grain."""
    width, height = s.size
    frame = 0.07
    leaf = _rectangle(s, frame, width - frame, -1.0, height - frame)
    inside_u, inside_v = width - 2 * frame - 0.2, height - frame - 0.3
    columns, rows = np.maximum(s.param(0), 1.0), np.maximum(s.param(1), 1.0)
    i, du = cells(s.u - frame - 0.1, inside_u / columns)
    j, dv = cells(s.v - 0.2, inside_v / rows)
    here = (s.param(0) > 0) & (i >= 0) & (i < columns) & (j >= 0) & (j < rows)
    du, dv = 0.5 * inside_u / columns - np.abs(du), 0.5 * inside_v / rows - np.abs(dv)
    depth_u, depth_v = band(du, 0.035, 0.055, s.wu) * above(dv, 0.035, s.wv), band(dv, 0.035, 0.055, s.wv)
    groove = np.maximum(depth_u, depth_v * above(du, 0.035, s.wu)) * here
    grain = wood_grain(s.v, s.u, s.wv, s.wu, s.key)
    gap = seam(s.u - 0.5 * width, width - 2 * frame, 0.006, s.wu) * above(height - frame, s.v, s.wv)
    gap = np.maximum(gap, band(s.v, height - frame - 0.003, height - frame + 0.003, s.wv) * leaf)
    color = mix(s.color(1), s.color(0), leaf) * (1.0 + s.param(2) * grain)
    color = color * (1.0 - 0.45 * groove) * (1.0 - 0.7 * gap)
    left = np.where(s.key & 1, s.u, width - s.u)
    plate = band(left, frame + 0.045, frame + 0.085, s.wu) * band(s.v, 0.93, 1.15, s.wv)
    lever = band(left, frame + 0.055, frame + 0.185, s.wu) * band(s.v, 1.04, 1.065, s.wv)
    keyhole = disc(left - frame - 0.065, s.v - 0.97, 0.007, s.w)
    color = mix(mix(color, s.color(2), plate), 0.55 * s.color(2), lever)
    return color * (1.0 - 0.9 * keyhole)


def window(s: Samples) -> Floats:
    """Panes p0 x p1 in a frame c0 (6 cm), glazing bars; outside a sky c1 over trees and houses c2."""
    width, height = s.size
    _, du = cells(s.u, width / s.param(0))
    _, dv = cells(s.v, height / s.param(1))
    bars = np.maximum(seam(du, width / s.param(0), 0.07, s.wu), seam(dv, height / s.param(1), 0.05, s.wv))
    edge = np.minimum(np.minimum(s.u, width - s.u), np.minimum(s.v, height - s.v))
    bars = np.maximum(bars, 1.0 - above(edge, 0.06, s.w))
    lines = band(edge, 0.052, 0.06, s.w)
    skyline = 0.35 * height + 0.35 * noise(s.u, s.v * 0.01, 0.23, 1.0, s.wu, s.wv, s.key)
    skyline = skyline + 0.1 * noise(s.u, s.v * 0.01, 0.05, 1.0, s.wu, s.wv, s.key + 5)
    clouds = 0.25 * fractal(s.u, 2.0 * s.v, s.w, 0.5, s.key + 9, 4)
    land = s.color(2) * (1.0 + 1.1 * fractal(s.u, s.v, s.w, 0.12, s.key + 3, 4))
    outside = mix(land, s.color(1) * (1.0 + clouds), above(s.v, skyline, 2.0 * s.wv))
    return mix(outside, 0.4 * s.color(0) * (1.0 - 0.4 * lines), bars)


def picture(s: Samples) -> Floats:
    """A framed print or poster: frame c0 of p0, mount c1 of p1, shapes in random colours."""
    width, height = s.size
    side = np.minimum(width, height)
    color = mix(s.color(2), _many_colored(np.zeros_like(s.u, dtype=np.int64), 0, s.key), 0.6)
    color = color * (1.0 + 0.8 * fractal(s.u, s.v, s.w, 0.4 * side, s.key + 1, 5))
    for layer, share in enumerate((0.42, 0.2, 0.09)):
        pitch = share * side
        turned_u, turned_v = s.u + 0.3 * layer * s.v, s.v - 0.3 * layer * s.u
        i, du = cells(turned_u, pitch)
        j, dv = cells(turned_v, pitch)
        du = du - (cell_value(i, j, s.key, layer) - 0.5) * 0.4 * pitch
        radius = pitch * (0.1 + 0.25 * cell_value(i, j, s.key, layer + 4))
        oblong = 0.6 + cell_value(i, j, s.key, layer + 20)
        square = above(radius - np.maximum(np.abs(du), oblong * np.abs(dv)), 0.0, s.w)
        round_ = disc(du, oblong * dv, radius, s.w)
        shape = np.where(cell_value(i, j, s.key, layer + 30) > 0.5, square, round_)
        shape = shape * (cell_value(i, j, s.key, layer + 40) > 0.3) * resolved(pitch, s.w)
        color = mix(color, _many_colored(i, j, s.key + 100 * layer), shape)
    edge = np.minimum(np.minimum(s.u, width - s.u), np.minimum(s.v, height - s.v))
    color = mix(s.color(1), color, above(edge, s.param(0) + s.param(1), s.w))
    return mix(s.color(0), color, above(edge, s.param(0), s.w))


def books(s: Samples) -> Floats:
    """A row of spines about p0 thick and 0.6 to 1 of the height, titles on them, dark c0 above."""
    _, height = s.size
    pitch = s.param(0)
    # Uneven thickness: the coordinate is bent before it is cut into equal parts.
    i, du = cells(s.u + 0.8 * pitch * noise(s.u, s.u, 2.3 * pitch, 2.3 * pitch, s.wu, s.wu, s.key), pitch)
    top = height * (0.66 + 0.3 * cell_value(i, 0, s.key, 1))
    color = _many_colored(i, 0, s.key) * (1.0 + 0.2 * noise(s.u, s.v, 0.004, 0.1, s.wu, s.wv, s.key))
    color = color * (1.0 - 0.3 * np.square(2.0 * du / pitch))  # rounded backs
    ink = _many_colored(i, 7, s.key)
    word = above(noise(s.u, s.v, 0.02, 0.008, s.wu, s.wv, s.key + 3), 0.0, 0.1)
    title = band(s.v, 0.35 * top, 0.8 * top, s.wv) * band(du, -0.2 * pitch, 0.2 * pitch, s.wu) * word
    bands = band(s.v, 0.86 * top, 0.9 * top, s.wv) * (cell_value(i, 0, s.key, 2) > 0.5)
    color = mix(color, ink, np.maximum(title, bands) * inner(du, pitch, s.wu))
    color = color * (1.0 - 0.7 * seam(du, pitch, 0.003, s.wu))
    return mix(color, s.color(0), above(s.v, top, s.wv))


def cabinet(s: Samples) -> Floats:
    """Fronts of about p0 x p1 with 4 mm gaps, c0 grained by c1; handles c2, p2: 0 knob, 1 bar across, 2 bar upright."""
    width, height = s.size
    pitch_u = width / np.maximum(np.round(width / s.param(0)), 1.0)
    pitch_v = height / np.maximum(np.round(height / s.param(1)), 1.0)
    i, du = cells(s.u, pitch_u)
    _, dv = cells(s.v, pitch_v)
    grain = wood_grain(s.v, s.u, s.wv, s.wu, s.key)
    gaps = np.maximum(seam(du, pitch_u, 0.004, s.wu), seam(dv, pitch_v, 0.004, s.wv))
    color = mix(s.color(0), s.color(1), np.clip(0.5 + grain, 0.0, 1.0)) * (1.0 - 0.8 * gaps)
    inset = np.minimum(0.5 * pitch_u - np.abs(du), 0.5 * pitch_v - np.abs(dv))
    color = color * (1.0 - 0.3 * band(inset, 0.05, 0.058, s.w) * s.param(3))
    side = np.where(i & 1, -1.0, 1.0).astype(np.float32) * (0.5 * pitch_u - 0.045)
    knob = disc(du - side, dv, 0.016, s.w)
    across = band(du, -0.08, 0.08, s.wu) * band(dv - 0.5 * pitch_v, -0.06, -0.045, s.wv)
    upright = band(du - side, -0.007, 0.007, s.wu) * band(dv, -0.09, 0.09, s.wv)
    handle = np.where(s.param(2) < 0.5, knob, np.where(s.param(2) < 1.5, across, upright))
    return mix(color, s.color(2), handle)


def cardboard(s: Samples) -> Floats:
    """Corrugated board c0 with brown tape c1 (5 cm), a label c2 and some print."""
    width, height = s.size
    flutes = 0.12 * noise(s.u, s.v, 0.009, 0.4, s.wu, s.wv, s.key) + 0.3 * fractal(s.u, s.v, s.w, 0.15, s.key + 2, 4)
    tape = band(s.v - 0.5 * height, -0.025, 0.025, s.wv) * (cell_value(1, 0, s.key) > 0.4)
    color = mix(s.color(0) * (1.0 + flutes), s.color(1), 0.8 * tape)
    label = _rectangle(s, 0.55 * width, 0.55 * width + 0.12, 0.6 * height, 0.6 * height + 0.08)
    text = above(noise(s.u, s.v, 0.012, 0.004, s.wu, s.wv, s.key + 3), 0.08, 0.1)
    color = mix(color, s.color(2) * (1.0 - 0.8 * text), label)
    big = above(noise(s.u, s.v, 0.03, 0.02, s.wu, s.wv, s.key + 8), 0.05, 0.1)
    sign = _rectangle(s, 0.1 * width, 0.42 * width, 0.62 * height, 0.62 * height + 0.06)
    return color * (1.0 - 0.7 * sign * big)


def fabric(s: Samples) -> Floats:
    """Woven cloth c0, check or stripes of c1 and c2 repeating every p0 (0 = plain), cushion seams every p1."""
    weave = noise(s.u, s.v, 0.012, 0.003, s.wu, s.wv, s.key) + noise(s.u, s.v, 0.003, 0.012, s.wu, s.wv, s.key + 7)
    color = s.color(0) * (1.0 + 0.35 * weave + 0.25 * fractal(s.u, s.v, s.w, 0.2, s.key + 3, 4))
    pitch = np.maximum(s.param(0), 0.02)
    _, du = cells(s.u, pitch)
    _, dv = cells(s.v, pitch)
    on = (s.param(0) > 0).astype(np.float32) if np.ndim(s.param(0)) else np.float32(s.param(0) > 0)
    color = mix(color, s.color(1), 0.5 * on * band(du, -0.2 * pitch, 0.2 * pitch, s.wu))
    color = mix(color, s.color(1), 0.5 * on * band(dv, -0.2 * pitch, 0.2 * pitch, s.wv))
    color = mix(color, s.color(2), on * band(du, 0.33 * pitch, 0.38 * pitch, s.wu))
    cushion = np.maximum(s.param(1), 0.1)
    return color * (1.0 - 0.5 * seam(cells(s.u, cushion)[1], cushion, 0.012, s.wu) * (s.param(1) > 0))


KINDS: dict[str, Texture] = {f.__name__: f for f in (wood, door, window, picture, books, cabinet, cardboard, fabric)}

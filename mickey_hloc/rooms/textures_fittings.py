"""Textures of small fittings and machines, as in ``textures_objects``."""

from __future__ import annotations

import numpy as np

from mickey_hloc.rooms.patterns import (
    Floats,
    above,
    band,
    cell_value,
    cells,
    disc,
    fractal,
    mix,
    noise,
    resolved,
    seam,
)
from mickey_hloc.rooms.surfaces import Samples, Texture


def _edge(s: Samples) -> Floats:
    """Distance to the nearest border of the surface, metres."""
    width, height = s.size
    return np.minimum(np.minimum(s.u, width - s.u), np.minimum(s.v, height - s.v))


def socket(s: Samples) -> Floats:
    """Plates of 8 cm side by side, c0; p0: 0 power socket (4 cm recess, two holes), 1 rocker switch."""
    _, du = cells(s.u, 0.08)
    dv = s.v - 0.04
    recess = disc(du, dv, 0.021, s.w) - 0.5 * disc(du, dv, 0.017, s.w)
    holes = disc(np.abs(du) - 0.0095, dv, 0.0035, s.w)
    rocker = band(np.maximum(np.abs(du), np.abs(dv)), 0.026, 0.029, s.w) + band(dv, -0.001, 0.001, s.wv) * 0.5
    dark = np.where(s.param(0) < 0.5, 0.5 * recess + 0.9 * holes, 0.6 * rocker)
    rim = band(_edge(s), 0.0, 0.004, s.w)
    return s.color(0) * np.clip(1.0 - dark, 0.05, 1.0) * (1.0 - 0.35 * rim)


def screen(s: Samples) -> Floats:
    """A display with a bezel c0 (2 cm): windows of c1 with lines of text on c2."""
    width, height = s.size
    color = s.color(2) * (1.0 + 0.6 * fractal(s.u, s.v, s.w, 0.2, s.key, 4))
    for k in range(3):
        x = cell_value(k, 1, s.key) * 0.5 * width
        y = cell_value(k, 2, s.key) * 0.4 * height
        pane = band(s.u, x, x + 0.45 * width, s.wu) * band(s.v, y, y + 0.5 * height, s.wv)
        row = cells(s.v, 0.009)[1]
        words = above(noise(s.u, s.v, 0.012, 0.009, s.wu, s.wv, s.key + k), -0.05, 0.1)
        text = words * (1.0 - seam(row, 0.009, 0.005, s.wv)) * resolved(0.009, s.w)
        color = mix(color, s.color(1) * (1.0 - 0.75 * text), pane)
        color = mix(color, 0.3 * s.color(1), pane * band(s.v, y + 0.5 * height - 0.014, y + 0.5 * height, s.wv))
    return mix(s.color(0), color, above(_edge(s), 0.02, s.w))


def keyboard(s: Samples) -> Floats:
    """Keys c1 at the 19 mm pitch of all keyboards, letters c0, on c0."""
    pitch = 0.019
    j, dv = cells(s.v, pitch)
    i, du = cells(s.u + 0.005 * j, pitch)
    key = above(0.0082 - np.maximum(np.abs(du), np.abs(dv)), 0.0, s.w) * resolved(pitch, s.w)
    key = key * above(_edge(s), 0.008, s.w)
    letter = disc(du, dv, 0.002 + 0.002 * cell_value(i, j, s.key), s.w)
    return mix(s.color(0), s.color(1), 0.55 * (1.0 - resolved(pitch, s.w)) + key) * (1.0 - 0.6 * letter * key)


def radiator(s: Samples) -> Floats:
    """Upright fins c0 every p0."""
    _, du = cells(s.u, s.param(0))
    fins = np.cos(du * (2.0 * np.pi / s.param(0))) * resolved(s.param(0), s.wu)
    ends = band(_edge(s), 0.0, 0.03, s.w)
    return s.color(0) * (0.75 + 0.25 * np.maximum(fins, ends))


def paper(s: Samples) -> Floats:
    """A sheet c0 with lines of print c1 every p0 and a picture on top of some."""
    width, height = s.size
    j, dv = cells(s.v, s.param(0))
    length = width * (0.55 + 0.33 * cell_value(j, 0, s.key))
    words = above(noise(s.u, s.v, 1.5 * s.param(0), s.param(0), s.wu, s.wv, s.key), -0.12, 0.1)
    text = words * (1.0 - seam(dv, s.param(0), 0.5 * s.param(0), s.wv)) * band(s.u, 0.1 * width, length, s.wu)
    text = text * band(s.v, 0.1 * height, 0.6 * height, s.wv)
    head = band(s.v, 0.84 * height, 0.9 * height, s.wv) * band(s.u, 0.1 * width, 0.7 * width, s.wu)
    figure = band(s.u, 0.12 * width, 0.86 * width, s.wu) * band(s.v, 0.64 * height, 0.8 * height, s.wv)
    content = np.clip(0.5 + 1.6 * fractal(s.u, s.v, s.w, 0.05, s.key, 3), 0.0, 1.0)
    color = mix(s.color(0), s.color(1), np.maximum(0.85 * text, 0.9 * head * words))
    return mix(color, mix(s.color(1), s.color(2), content), figure)


def appliance(s: Samples) -> Floats:
    """A machine front c0, trim c1, glass c2; p0: 0 oven, 1 washing machine (33 cm porthole), 2 fridge."""
    width, height = s.size
    u, kind = s.u - 0.5 * width, s.param(0)
    panel = band(s.v, height - 0.11, height, s.wv)
    knobs = disc(cells(s.u, 0.1)[1], s.v - height + 0.055, 0.021, s.w) * (np.abs(u) < 0.26)
    glass = band(np.abs(u), -1.0, 0.2, s.wu) * band(s.v, 0.2, height - 0.22, s.wv)
    bar = band(np.abs(u), -1.0, 0.24, s.wu) * band(s.v, height - 0.17, height - 0.15, s.wv)
    port = disc(u, s.v - 0.42, 0.165, s.w)
    rim = disc(u, s.v - 0.42, 0.21, s.w)
    oven = mix(mix(s.color(0), s.color(2), np.maximum(glass, panel)), s.color(1), np.maximum(knobs, bar))
    drawer = band(u, -0.27, -0.1, s.wu) * band(s.v, height - 0.1, height - 0.01, s.wv)
    washer = mix(mix(s.color(0), s.color(1), np.maximum(rim, 0.3 * drawer)), s.color(2), port)
    dial = disc(u - 0.15, s.v - height + 0.055, 0.026, s.w)
    washer = mix(washer, 0.5 * s.color(1), np.maximum(dial, band(s.v, height - 0.117, height - 0.112, s.wv)))
    split = band(s.v, 0.62 * height - 0.004, 0.62 * height + 0.004, s.wv)
    grip = band(u + 0.5 * width, 0.04, 0.06, s.wu) * band(np.abs(s.v - 0.62 * height), 0.06, 0.42, s.wv)
    fridge = mix(s.color(0) * (1.0 - 0.8 * split), 0.5 * s.color(1), grip)
    return np.where(kind < 0.5, oven, np.where(kind < 1.5, washer, fridge))


def rug(s: Samples) -> Floats:
    """A rug: ground c0, borders c1 and c2, a lattice of lozenges of p0."""
    edge = _edge(s)
    i, du = cells(s.u, s.param(0))
    j, dv = cells(s.v, s.param(0))
    radius = s.param(0) * (0.25 + 0.2 * cell_value(i, j, s.key))
    lozenge = above(radius - np.abs(du) - np.abs(dv), 0.0, s.w) * resolved(s.param(0), s.w)
    core = above(0.4 * radius - np.abs(du) - np.abs(dv), 0.0, s.w) * resolved(s.param(0), s.w)
    pick = above(cell_value(i, j, s.key, 1), 0.5, 1e-3)
    color = mix(s.color(0), mix(s.color(1), s.color(2), pick), lozenge)
    color = mix(color, s.color(0), core)
    border = np.maximum(band(edge, 0.05, 0.09, s.w), band(edge, 0.14, 0.16, s.w))
    beads = disc(cells(s.u, 0.08)[1], cells(s.v, 0.08)[1], 0.02, s.w) * (edge < 0.2)
    color = mix(mix(color, s.color(1), border), s.color(2), beads)
    return color * (1.0 + 0.5 * noise(s.u, s.v, 0.008, 0.02, s.wu, s.wv, s.key))


def clock(s: Samples) -> Floats:
    """A round wall clock c0 with rim c1 and two hands, in a square of its diameter on a wall of colour c2."""
    width, _ = s.size
    u, v = s.u - 0.5 * width, s.v - 0.5 * width
    color = mix(s.color(2), s.color(1), disc(u, v, 0.5 * width, s.w))
    color = mix(color, s.color(0), disc(u, v, 0.45 * width, s.w))
    angle = np.arctan2(v, u + 1e-9) * (12.0 / (2.0 * np.pi))
    off = np.abs(angle - np.round(angle)) * (2.0 * np.pi / 12.0) * np.hypot(u, v)
    ticks = above(0.012 * width - off, 0.0, s.w) * band(np.hypot(u, v), 0.36 * width, 0.43 * width, s.w)
    for k, length in enumerate((0.22, 0.36)):
        turn = 6.2832 * cell_value(k, 0, s.key)
        along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        ticks = np.maximum(
            ticks, band(along, -0.04 * width, length * width, s.w) * above(0.014 * width, abs(across), s.w)
        )
    return color * (1.0 - 0.9 * ticks)


def curtain(s: Samples) -> Floats:
    """Cloth c0 hanging in folds of about p0, a woven stripe c1 every p1 (0 = none)."""
    bent = s.u + 0.5 * s.param(0) * noise(s.u, s.v, 0.31, 1.1, s.wu, s.wv, s.key)
    _, du = cells(bent, s.param(0))
    folds = np.cos(du * (2.0 * np.pi / s.param(0))) * resolved(s.param(0), s.wu)
    pitch = np.maximum(s.param(1), 0.02)
    stripe = band(cells(s.v, pitch)[1], -0.12 * pitch, 0.12 * pitch, s.wv) * (s.param(1) > 0)
    weave = noise(s.u, s.v, 0.004, 0.01, s.wu, s.wv, s.key + 5)
    return mix(s.color(0), s.color(1), stripe) * (0.75 + 0.25 * folds + 0.2 * weave)


KINDS: dict[str, Texture] = {
    f.__name__: f for f in (socket, screen, keyboard, radiator, paper, appliance, rug, clock, curtain)
}

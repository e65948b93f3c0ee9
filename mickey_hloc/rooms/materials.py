"""Random materials with the sizes that builders use: bricks, tiles, boards, cloth, lacquer."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mickey_hloc.rooms.scene import RGB, Material

Rng = np.random.Generator
T = TypeVar("T")


def pick(rng: Rng, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the choices."""
    p = None if weights is None else np.array(weights) / np.sum(weights)
    return choices[int(rng.choice(len(choices), p=p))]


def between(rng: Rng, low: float, high: float) -> float:
    """A uniform number."""
    return float(rng.uniform(low, high))


def hsv(h: float, s: float, v: float) -> RGB:
    """Display colour from hue (0..1, wraps), saturation, value (clipped)."""
    return colorsys.hsv_to_rgb(h % 1.0, min(max(s, 0.0), 1.0), min(max(v, 0.0), 1.0))


def shade(color: RGB, factor: float) -> RGB:
    """A lighter or darker version."""
    return (min(color[0] * factor, 1.0), min(color[1] * factor, 1.0), min(color[2] * factor, 1.0))


def any_color(rng: Rng, saturation: tuple[float, float] = (0.1, 0.8), value: tuple[float, float] = (0.25, 0.95)) -> RGB:
    """A random colour."""
    return hsv(rng.random(), between(rng, *saturation), between(rng, *value))


def wall_color(rng: Rng) -> RGB:
    """Mostly pale, sometimes a strong colour."""
    if rng.random() < 0.2:
        return hsv(rng.random(), between(rng, 0.25, 0.6), between(rng, 0.4, 0.8))
    return hsv(between(rng, 0.02, 0.65), between(rng, 0.0, 0.2), between(rng, 0.72, 0.97))


def wood_colors(rng: Rng) -> tuple[RGB, RGB]:
    """Two tones of one wood: from maple to wenge, sometimes stained grey."""
    hue, saturation = between(rng, 0.05, 0.105), between(rng, 0.3, 0.65)
    if rng.random() < 0.15:
        saturation *= 0.3
    value = between(rng, 0.3, 0.88)
    return hsv(hue, saturation, value), hsv(hue - 0.01, saturation * 1.1, value * between(rng, 0.62, 0.85))


def wood(rng: Rng) -> Material:
    """Furniture wood."""
    return Material("wood", wood_colors(rng), (between(rng, 0.3, 0.9),), wear=between(rng, 0.04, 0.2), grain=0.12)


def lacquer(rng: Rng) -> Material:
    """Painted furniture, plastic or metal: white, black, grey or coloured."""
    color = pick(
        rng,
        [hsv(0.1, 0.04, between(rng, 0.8, 0.95)), hsv(0.6, 0.05, between(rng, 0.12, 0.6)), any_color(rng)],
        [0.45, 0.25, 0.3],
    )
    return Material("paint", (color,), (between(rng, 0.0, 0.06),), wear=between(rng, 0.04, 0.16), grain=0.1)


def furniture(rng: Rng) -> Material:
    """Wood or lacquer."""
    return wood(rng) if rng.random() < 0.65 else lacquer(rng)


def cloth(rng: Rng, cushion: float = 0.0) -> Material:
    """Upholstery or bedding; ``cushion``: metres between seams, 0 = none."""
    base = any_color(rng, (0.05, 0.6), (0.2, 0.9))
    check = between(rng, 0.04, 0.18) if rng.random() < 0.4 else 0.0
    other = shade(base, pick(rng, [0.6, 1.5]))
    return Material("fabric", (base, other, any_color(rng)), (check, cushion), wear=between(rng, 0.1, 0.25), grain=0.15)


def metal(rng: Rng) -> RGB:
    """Colour of handles and trim: steel, brass or black."""
    return pick(rng, [(0.72, 0.73, 0.75), (0.75, 0.6, 0.3), (0.12, 0.12, 0.13)], [0.6, 0.2, 0.2])


def _brick(rng: Rng) -> Material:
    if rng.random() < 0.3:  # whitewashed
        colors = (hsv(0.1, 0.05, 0.92), hsv(0.1, 0.08, 0.75), hsv(0.1, 0.05, 0.8))
    else:
        hue = between(rng, 0.0, 0.08)
        colors = (hsv(hue, 0.6, between(rng, 0.5, 0.7)), hsv(hue, 0.5, between(rng, 0.3, 0.5)), hsv(0.1, 0.08, 0.7))
    length, height = pick(rng, [(0.25, 0.077), (0.225, 0.075), (0.203, 0.067), (0.25, 0.0625)])
    return Material("brick", colors, (length, height, between(rng, 0.008, 0.012)))


def _wall_surface(rng: Rng, kind: str) -> Material:
    color = wall_color(rng)
    if kind == "paint":
        return Material(kind, (color,), (between(rng, 0.05, 0.22),))
    if kind == "wallpaper":
        motif = (color, shade(color, between(rng, 0.6, 0.9)), any_color(rng, (0.2, 0.7), (0.4, 0.9)))
        return Material(kind, motif, (between(rng, 0.08, 0.3), float(rng.integers(4))))
    if kind == "brick":
        return _brick(rng)
    if kind == "concrete":
        return Material(kind, (hsv(0.1, 0.05, between(rng, 0.5, 0.75)),), (2.5, 1.25))
    if kind == "panelling":
        stained = rng.random() < 0.6
        boards = wood_colors(rng) if stained else (color, shade(color, 0.94))
        return Material(kind, boards, (pick(rng, [0.07, 0.09, 0.12]), float(stained)))
    pitch_u, pitch_v = pick(rng, [(0.15, 0.15), (0.2, 0.2), (0.1, 0.1), (0.15, 0.075), (0.3, 0.6), (0.25, 0.4)])
    tiles = (color, any_color(rng, (0.2, 0.7), (0.3, 0.8)), hsv(0.1, 0.03, between(rng, 0.5, 0.9)))
    return Material(kind, tiles, (pitch_u, pitch_v, between(rng, 0.002, 0.004), pick(rng, [0.0, 0.15, 0.3])))


def _worn(rng: Rng, material: Material) -> Material:
    return dataclasses.replace(material, wear=between(rng, 0.06, 0.28), grain=between(rng, 0.12, 0.5))


def wall(rng: Rng, wet: bool = False) -> Material:
    """A wall: tiles in wet rooms; else paint, paper, brick, concrete or boards, with or without a skirting board."""
    kind = pick(
        rng,
        ["paint", "wallpaper", "brick", "concrete", "panelling", "tiles"],
        [0.1, 0, 0, 0, 0, 0.9] if wet else [0.44, 0.22, 0.16, 0.06, 0.08, 0.04],
    )
    material = _worn(rng, _wall_surface(rng, kind))
    if kind == "tiles" or rng.random() < 0.2:
        return material
    color = pick(rng, [(0.92, 0.91, 0.88), wood_colors(rng)[0]])
    return dataclasses.replace(material, skirting=pick(rng, [0.06, 0.07, 0.08, 0.1, 0.14]), skirting_color=color)


def _floor_surface(rng: Rng, kind: str) -> Material:
    if kind == "planks":
        size = (pick(rng, [0.07, 0.09, 0.12, 0.14, 0.19]), pick(rng, [0.9, 1.2, 1.8, 2.2]), between(rng, 0.001, 0.004))
        return Material(kind, wood_colors(rng), size)
    if kind == "parquet":
        return Material(kind, wood_colors(rng), pick(rng, [(0.3, 5.0), (0.12, 5.0), (0.4, 6.0), (0.2, 4.0)]))
    if kind == "tiles":
        side = pick(rng, [0.1, 0.15, 0.2, 0.3, 0.33, 0.45, 0.6])
        base = hsv(between(rng, 0.02, 0.15), between(rng, 0.02, 0.35), between(rng, 0.35, 0.9))
        other = pick(rng, [shade(base, 0.4), any_color(rng), hsv(0.1, 0.05, 0.15)])
        joint = hsv(0.1, 0.05, between(rng, 0.3, 0.8))
        size4 = (side, side, between(rng, 0.002, 0.006), pick(rng, [0.0, 1.0, 0.4]))
        return Material(kind, (base, other, joint), size4)
    if kind == "carpet":
        base = any_color(rng, (0.05, 0.5), (0.2, 0.7))
        flecks = (base, shade(base, 0.6), any_color(rng, (0.2, 0.6), (0.3, 0.8)))
        return Material(kind, flecks, (pick(rng, [0.0, 0.5]),))
    if kind == "terrazzo":
        base = hsv(between(rng, 0.0, 0.2), between(rng, 0.02, 0.15), between(rng, 0.5, 0.85))
        chips = (base, shade(base, 0.5), any_color(rng, (0.2, 0.5), (0.4, 0.8)))
        return Material(kind, chips, (between(rng, 0.005, 0.014),))
    return Material("concrete", (hsv(0.1, 0.04, between(rng, 0.4, 0.65)),), (3.0, 3.0))


def floor(rng: Rng, wet: bool = False) -> Material:
    """Boards, parquet, tiles, carpet, terrazzo or concrete."""
    kind = pick(
        rng,
        ["planks", "parquet", "tiles", "carpet", "terrazzo", "concrete"],
        [0.1, 0, 0.75, 0, 0.15, 0] if wet else [0.36, 0.12, 0.22, 0.16, 0.08, 0.06],
    )
    return _worn(rng, _floor_surface(rng, kind))


def ceiling(rng: Rng) -> Material:
    """White paint, office tiles of 60 cm, or boards."""
    kind = pick(rng, ["paint", "tiles", "panelling"], [0.72, 0.18, 0.1])
    white = hsv(0.12, between(rng, 0.0, 0.06), between(rng, 0.85, 0.97))
    if kind == "paint":
        return Material(kind, (white,), (between(rng, 0.03, 0.15),), wear=between(rng, 0.03, 0.12), grain=0.4)
    if kind == "tiles":
        return Material(kind, (white, white, shade(white, 0.8)), (0.6, 0.6, 0.02, 0.0), wear=0.2, grain=0.04)
    return Material(kind, wood_colors(rng), (0.12, 1.0), wear=0.1)

"""Colours of surfaces: from metric surface coordinates to reflectance, one function per kind of surface."""

from __future__ import annotations

import numpy as np

from mickey_hloc.rooms import patterns, textures_building, textures_fittings, textures_objects
from mickey_hloc.rooms.patterns import Floats, above, mix
from mickey_hloc.rooms.surfaces import Samples, Texture

KINDS: dict[str, Texture] = {**textures_building.KINDS, **textures_objects.KINDS, **textures_fittings.KINDS}


def reflectance(samples: Samples, kind: np.ndarray) -> Floats:
    """Colours of points on surfaces of any kind, with wear and skirting boards.

    Args:
        samples: N points; ``surface`` is an array.
        kind: (N,) the kind of each point, as an index into ``samples.table.kinds``.

    Returns:
        (3, N) float32 linear reflectance.

    Raises:
        ValueError: a kind that is no texture.
    """
    colors = np.empty((3, len(samples.u)), dtype=np.float32)
    names = samples.table.kinds
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise ValueError(f"a material is of the unknown kind '{unknown[0]}'; choose one of: {', '.join(sorted(KINDS))}")
    for number in np.flatnonzero(np.bincount(kind, minlength=len(names))):
        index = np.flatnonzero(kind == number)
        group = samples.part(index)
        surfaces = group.surface
        if surfaces[0] == surfaces[-1] and bool((surfaces == surfaces[0]).all()):  # type: ignore[index]
            # One floor fills half an image: its parameters as numbers instead of arrays are much faster.
            group = Samples(group.u, group.v, group.wu, group.wv, int(surfaces[0]), group.table)  # type: ignore[index]
        colors[:, index] = KINDS[names[number]](group)
    _add_skirting(samples, colors)
    colors *= 1.0 + _wear(samples)
    return np.maximum(colors, 0.0, out=colors)


def _add_skirting(samples: Samples, colors: Floats) -> None:
    """Paint the board along the foot of walls, with a rounded upper edge that catches light above a shadow line."""
    height = samples.table.skirting[samples.surface]
    index = np.flatnonzero(samples.v < height + samples.wv)
    index = index[height[index] > 0]
    if len(index) == 0:
        return
    part, height = samples.part(index), height[index]
    board = part.table.skirting_color[:, part.surface]
    board = board * (1.0 + 0.25 * patterns.band(part.v, height - 0.012, height, part.wv))
    board = board * (1.0 - 0.6 * patterns.band(part.v, height - 0.018, height - 0.012, part.wv))
    colors[:, index] = mix(board, colors[:, index], above(part.v, height, part.wv))


def _wear(samples: Samples) -> Floats:
    """(N,) relative brightness: stains of several sizes and sparse small marks, different on every surface."""
    table, surface, w = samples.table, samples.surface, samples.w
    strength, key = table.wear[surface], samples.key
    stains = patterns.fractal(samples.u, samples.v, w, table.grain[surface], key, octaves=5)
    pitch = 0.17
    i, du = patterns.cells(samples.u, pitch)
    j, dv = patterns.cells(samples.v, pitch)
    radius = 0.003 + 0.014 * np.square(patterns.cell_value(i, j, key, 1))
    du = du - (patterns.cell_value(i, j, key, 2) - 0.5) * (pitch - 0.04)
    dv = dv - (patterns.cell_value(i, j, key, 3) - 0.5) * (pitch - 0.04)
    tone = np.maximum(patterns.cell_value(i, j, key, 4) - 0.55, 0.0) * 3.5
    marks = patterns.disc(du, dv, radius, w) * tone
    return strength * (stains - marks)

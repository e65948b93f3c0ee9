"""Band-limited building blocks of procedural textures: value noise, random numbers per cell, anti-aliased shapes.

Every function takes the filter width ``w`` (how many metres of surface one pixel covers along that axis) and returns
what a box filter of that width would see, so that two views of one surface see the same texture at their own
resolution and nothing finer than a pixel aliases. All arrays are float32 of one length N unless said otherwise.
"""

import numpy as np

Floats = np.ndarray  # float32
Ints = np.ndarray  # int64
Number = np.ndarray | float

_LATTICE = 1 << 16
_ROW = 256
# One table of uniform numbers; a lattice point (i, j) of the noise with key k is entry i + 256 j + k. The four corners
# of a cell are then one index into four shifted views. It repeats after 256 cells: no wall is long enough to show that.
_TABLE = np.random.default_rng(20240611).random(_LATTICE + _ROW + 1).astype(np.float32)
_TABLE[_LATTICE:] = _TABLE[: _ROW + 1]
_CORNERS = tuple(_TABLE[shift : shift + _LATTICE] for shift in (0, 1, _ROW, _ROW + 1))


def value_noise(x: Floats, y: Floats, key: Ints | int) -> Floats:
    """Smooth noise with one random value per unit cell corner: in [0, 1), mean 0.5, standard deviation about 0.2.

    Args:
        x, y: (N,) coordinates in cells.
        key: (N,) or one number: which noise.
    """
    floor_x, floor_y = np.floor(x), np.floor(y)
    index = floor_y.astype(np.int64)
    index *= _ROW
    index += floor_x.astype(np.int64)
    index += key
    index &= _LATTICE - 1
    a, b = x - floor_x, y - floor_y
    a = a * a * (3.0 - 2.0 * a)
    b = b * b * (3.0 - 2.0 * b)
    low, right, high, high_right = (corner.take(index) for corner in _CORNERS)
    right -= low
    right *= a
    low += right
    high_right -= high
    high_right *= a
    high += high_right
    high -= low
    high *= b
    low += high
    return low


def cell_value(i: Ints | int, j: Ints | int, key: Ints | int, channel: int = 0) -> Floats:
    """A uniform random number in [0, 1) for each integer cell (i, j); ``channel`` gives independent ones."""
    index = i * 73 + j * 9277
    index += key
    index += channel * 40503
    index &= _LATTICE - 1
    values: Floats = _TABLE.take(index)
    return values


def resolved(size: Number, w: Number) -> Floats:
    """How much of a detail of ``size`` metres survives a filter of width ``w``: 0 below about a pixel, 1 from 2.5."""
    return np.clip((size / w - 1.2) * 0.77, 0.0, 1.0)


def noise(u: Floats, v: Floats, cell_u: Number, cell_v: Number, wu: Floats, wv: Floats, key: Ints | int) -> Floats:
    """Zero-mean noise in about [-0.5, 0.5] whose cells measure ``cell_u`` x ``cell_v`` metres, faded where too fine."""
    fade = np.minimum(resolved(cell_u, wu), resolved(cell_v, wv))
    if not fade.any():
        return np.zeros_like(u)
    return (value_noise(u / cell_u, v / cell_v, key) - 0.5) * fade


def fractal(u: Floats, v: Floats, w: Floats, coarsest: Number, key: Ints | int, octaves: int = 4) -> Floats:
    """Sum of noises from cells of ``coarsest`` metres down by halves, zero mean, standard deviation about 0.25.

    Each octave is turned against the one before, so that the lattice does not show.
    """
    total = np.zeros_like(u)
    cell = coarsest
    for octave in range(octaves):
        turned_u, turned_v = 0.8 * u - 0.6 * v, 0.6 * u + 0.8 * v
        total += noise(turned_u, turned_v, cell, cell, w, w, key + 7919 * octave) * np.float32(0.8**octave)
        u, v, cell = turned_u, turned_v, cell * 0.47
    return total


def cells(x: Floats, pitch: Number) -> tuple[Ints, Floats]:
    """Which cell of length ``pitch`` a coordinate lies in, and its distance from the cell's centre in metres."""
    q = x / pitch
    index = np.floor(q)
    return index.astype(np.int64), (q - index - 0.5) * pitch


def band(x: Floats, low: Number, high: Number, w: Number) -> Floats:
    """Share of the window [x - w/2, x + w/2] that lies between ``low`` and ``high``."""
    return (np.clip(x + 0.5 * w, low, high) - np.clip(x - 0.5 * w, low, high)) / w


def above(x: Number, edge: Number, w: Number) -> Floats:
    """Share of the window [x - w/2, x + w/2] that lies above ``edge``."""
    return np.clip((x - edge) / w + 0.5, 0.0, 1.0)


def seam(local: Floats, pitch: Number, width: Number, w: Floats) -> Floats:
    """Coverage by lines of ``width`` metres on the borders of cells of length ``pitch`` (``local`` from `cells`)."""
    # Limited to one period, the window holds one line or parts of two: far away the lines become their mean.
    window = np.minimum(w, pitch)
    to_line = 0.5 * pitch - np.abs(local)
    to_next = 0.5 * pitch + np.abs(local)
    return band(to_line, -0.5 * width, 0.5 * width, window) + band(to_next, -0.5 * width, 0.5 * width, window)


def inner(local: Floats, pitch: Number, w: Floats) -> Floats:
    """1 inside a cell, 0 on its border, over a window's width: fades random cell colours where they would alias."""
    return np.clip((0.5 * pitch - np.abs(local)) * 2.0 / w, 0.0, 1.0) * np.clip((pitch / w - 0.7) * 1.2, 0.0, 1.0)


def disc(du: Floats, dv: Floats, radius: Number, w: Number) -> Floats:
    """Coverage by a disc of ``radius`` metres around du = dv = 0; fainter than a pixel when smaller than one."""
    distance = np.sqrt(du * du + dv * dv)
    return np.clip((radius - distance) / w + 0.5, 0.0, 1.0) * np.minimum(2.0 * radius / w, 1.0)


def mix(a: Floats, b: Floats, share: Number) -> Floats:
    """Colours (3, N) or (3, 1): ``a`` where ``share`` (N,) is 0, ``b`` where it is 1."""
    return a + (b - a) * share

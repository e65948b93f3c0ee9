"""What a room is made of, as plain data: materials, boxes, lamps.

World frame: metres, z up, a corner of the floor at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        kind: name of a texture in ``textures.KINDS``.
        colors: up to three display (sRGB-like) colours in [0, 1]; what they colour is said at the texture.
        params: up to four numbers, mostly metres; what they mean is said at the texture.
        wear: strength of stains and small marks, relative to the colour.
        grain: metres, size of the largest stains.
        emission: 0 = lit by the lamps, else the brightness with which it shines by itself (windows, lamps, screens).
        skirting: metres, height of the skirting board at a wall's foot; 0 = none.
        skirting_color: colour of that board.
    """

    kind: str
    colors: tuple[RGB, ...]
    params: tuple[float, ...] = ()
    wear: float = 0.1
    grain: float = 0.2
    emission: float = 0.0
    skirting: float = 0.0
    skirting_color: RGB = (0.9, 0.9, 0.88)


@dataclass(frozen=True)
class Box:
    """A box standing upright, turned about the vertical.

    Attributes:
        centre: (x, y, z) metres.
        size: full extents along its own x, y, z, metres.
        yaw: radians; the front (its own +y) looks along (-sin yaw, cos yaw).
        material: of all faces that have none of their own.
        front, top: materials of these faces, where different.
        casts_shadow: False for thin things on walls.
    """

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float
    material: Material
    front: Material | None = None
    top: Material | None = None
    casts_shadow: bool = True

    @property
    def box_from_world(self) -> np.ndarray:
        """(3, 3) rotation from world axes to the box's own."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])

    def material_of(self, face: int) -> Material:
        """Material of face 0..5 = -x, +x, -y, +y, -z, +z."""
        own = {3: self.front, 5: self.top}.get(face)
        return own if own is not None else self.material


@dataclass(frozen=True)
class Lamp:
    """A point light: position (metres), colour and power (brightness at 1 m, facing it)."""

    position: tuple[float, float, float]
    color: RGB
    power: float


Shell = tuple[Material, Material, Material, Material, Material, Material]


@dataclass(frozen=True)
class Room:
    """A rectangular room and the boxes in it.

    Attributes:
        size: (x, y, z) inner extents, metres.
        shell: materials of the inner faces -x, +x, -y, +y, floor, ceiling.
        boxes: everything in it.
        lamps: point lights.
        ambient: light from everywhere beside the lamps; small = hard contrasts, 1 = soft.
        exposure: mean brightness of its surfaces, 1 = middle.
        seed: chooses the random details of all textures.
        theme: what kind of room it is, for people.
        light_cells_m: metres between the points where light is computed, on the shell and on boxes.
        min_shadow_m: metres; a box casts a shadow where its second smallest side is longer.
    """

    size: tuple[float, float, float]
    shell: Shell
    boxes: tuple[Box, ...]
    lamps: tuple[Lamp, ...]
    ambient: float = 1.0
    exposure: float = 1.0
    seed: int = 0
    theme: str = ""
    light_cells_m: tuple[float, float] = (0.12, 0.25)
    min_shadow_m: float = 0.12

"""Procedural rooms of real-world size, with exact metric depth and poses: a demo without data, tests, and training.

A seed gives a furnished room (``make_room``), a room and a camera give an image with its depth (``render``), and a seed
gives two overlapping views with their true relative pose (``sample_pair``). Rooms carry what tells a single picture its
scale: bricks, tiles, boards, doors, sockets, books, furniture, all of the sizes that they really have. The same
arguments give the same bytes; nothing is downloaded.

From the bottom to the top:

- ``scene``: what a room is made of, as plain data (materials, boxes, lamps); ``patterns``: noise and filtered stripes.
- ``surfaces``: all faces of a room as one table; ``light``: the light on them; ``raycast``: exact depth.
- ``textures`` with ``textures_building``, ``textures_fittings`` and ``textures_objects``: the colours of surfaces.
- ``rendering``: images; ``augment``: what a real camera does to them.
- ``materials``, ``furniture``, ``furniture_tall``, ``fittings``: random things; ``layout``: rooms furnished with them.
- ``small_things`` and ``lived_in``: the same rooms with things on all surfaces.
- ``cameras`` and ``near_cameras``: where cameras stand and what they share; ``styles``: which rooms go with which
  cameras; ``pairs``: pairs of views.

Of the rest of the package only ``geometry`` is known here. Arguments that nothing can be made from are a ``RoomError``,
a ValueError with a sentence for the user.
"""

from mickey_hloc.rooms.cameras import PairOptions
from mickey_hloc.rooms.layout import RoomError, make_room
from mickey_hloc.rooms.pairs import RenderedPair, sample_pair
from mickey_hloc.rooms.rendering import RenderedView, render
from mickey_hloc.rooms.scene import Room

__all__ = ["PairOptions", "RenderedPair", "RenderedView", "Room", "RoomError", "make_room", "render", "sample_pair"]

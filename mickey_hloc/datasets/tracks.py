"""Map-free's tracks."""

from typing import Literal

# single: every 5th query; multi9: frames 9, 19, 29, ... with the 8 frames before each; all: every query, for small sets
Track = Literal["single", "multi9", "all"]
TRACKS: tuple[Track, ...] = ("single", "multi9", "all")

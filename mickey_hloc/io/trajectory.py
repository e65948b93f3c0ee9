"""Trajectories in TUM's format, ``timestamp tx ty tz qx qy qz qw`` of world_from_cam, as evo reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pycolmap

from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.poses import format_numbers

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def write_tum(path: Path, cam_from_world: Mapping[str, pycolmap.Rigid3d]) -> Path:
    """Write the poses of images by name, sorted by their timestamps (see ``timestamps``)."""
    times = timestamps(sorted(cam_from_world))
    lines = []
    for name in sorted(cam_from_world, key=lambda name: float(times[name])):
        world_from_cam = cam_from_world[name].inverse()
        lines.append(f"{times[name]} {format_numbers([*world_from_cam.translation, *world_from_cam.rotation.quat])}")
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("\n".join(["# timestamp tx ty tz qx qy qz qw", *lines]) + "\n", encoding="utf-8")
    return Path(path)


def timestamps(names: list[str]) -> dict[str, str]:
    """A number for each name: the last one in it, as TUM's and most videos' frames have it, or its place in the list.

    Example:
        >>> timestamps(["rgb/1305031102.1753.png", "rgb/1305031102.2112.png"])
        {'rgb/1305031102.1753.png': '1305031102.1753', 'rgb/1305031102.2112.png': '1305031102.2112'}
        >>> timestamps(["left/1.png", "right/1.png"])
        {'left/1.png': '0', 'right/1.png': '1'}
    """
    found = {name: _NUMBER.findall(PurePosixPath(name).stem) for name in names}
    told = {name: numbers[-1] for name, numbers in found.items() if numbers}
    if len(told) == len(names) and len(set(map(float, told.values()))) == len(names):
        return told
    return {name: str(place) for place, name in enumerate(names)}

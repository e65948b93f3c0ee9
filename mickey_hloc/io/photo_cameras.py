"""Cameras of photos that nobody has measured: a focal length that is given, that of the EXIF data, or a guess."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import Camera, Cameras
from mickey_hloc.io.image_batches import check_inside
from mickey_hloc.io.images import exif_focal_px, read_image_size
from mickey_hloc.io.intrinsics import GUESSED_FOCAL_MM, Intrinsics, guessed_focal_px
from mickey_hloc.io.text import shown

# Pixels; "auto": EXIF, else a guess. None: EXIF alone.
Focal = float | Literal["auto"] | None
MAX_VIEW_DEG = 150.0  # along the longer side; the widest lenses that keep lines straight have 130


def photo_camera(path: Path, size: tuple[int, int], focal: Focal) -> tuple[Camera, str]:
    """The camera of a photo, its principal point in the middle.

    Args:
        size: (width, height) of the photo.

    Returns:
        The camera, which says whether its focal length is a guess, and a note on where that comes from; empty where it
        was given.

    Raises:
        InputError: the EXIF data have no focal length, and a guess is not asked for; or it is that of no camera, or one
            that is given in another unit than pixels, as its view is far too wide.
    """
    if isinstance(focal, (int, float)):
        camera = Camera(Intrinsics.from_focal(focal, *size, f"{path}, --focal"))
        _check_view(focal, size, path)
        return camera, ""
    focal_px = exif_focal_px(path)
    if focal_px is not None:
        note = f"focal length {focal_px:.1f} px from its EXIF data, principal point in the middle"
        return Camera(Intrinsics.from_focal(focal_px, *size, f"{path}, EXIF")), note
    if focal is None:
        raise InputError(
            f"{path} has no focal length in its EXIF data; give --intrinsics FILE or --focal PX (auto: a guess)."
        )
    focal_px = guessed_focal_px(*size)
    note = (
        f"the focal length is not known; {focal_px:.1f} px is guessed, a lens of {GUESSED_FOCAL_MM:g} mm in the terms "
        "of 35 mm film. A pose whose focal length is guessed has half the confidence."
    )
    return Camera(Intrinsics.from_focal(focal_px, *size), is_guess=True), note


def photo_cameras(image_dir: Path, names: Iterable[str], focal: Focal) -> tuple[Cameras, list[str]]:
    """The cameras of a folder's photos.

    Args:
        names: relative to ``image_dir``. A photo that cannot be used costs only itself: who asks for it is told.

    Returns:
        The cameras, and notes that say how many focal lengths come from EXIF data and how many are guessed.

    Raises:
        InputError: no such folder, a name that leads out of it, or a given focal length that fits no photo.
    """
    if not image_dir.is_dir():
        raise InputError(f"No image folder {image_dir}.")
    names = list(dict.fromkeys(names))
    check_inside(image_dir, names)
    cameras: dict[str, Camera] = {}
    unusable: dict[str, str] = {}
    noted: dict[bool, list[tuple[str, str]]] = {}
    for name in names:
        try:
            cameras[name], note = photo_camera(image_dir / name, read_image_size(image_dir / name), focal)
        except InputError as error:
            unusable[name] = str(error)
            continue
        if note:
            noted.setdefault(cameras[name].is_guess, []).append((name, note))
    if unusable and not cameras and isinstance(focal, (int, float)):
        raise InputError(next(iter(unusable.values())))
    notes = [_note(noted[is_guess]) for is_guess in sorted(noted)]
    return Cameras(cameras, image_dir, unusable), notes


def _check_view(focal_px: float, size: tuple[int, int], path: Path) -> None:
    longest, side = max(size), "wide" if size[0] >= size[1] else "high"
    view_deg = math.degrees(2 * math.atan(longest / (2 * focal_px)))
    if view_deg > MAX_VIEW_DEG:
        raise InputError(
            f"{path}, --focal: {focal_px:g} pixels are a view of {view_deg:.0f} degrees of an image {longest} pixels "
            f"{side}; are they millimetres? Pixels are millimetres x {longest} / the longer side of the sensor in "
            "millimetres."
        )


def _note(found: list[tuple[str, str]]) -> str:
    name, note = found[0]
    return f"{shown(name)}: {note}" if len(found) == 1 else f"{len(found)} photos, e.g. {shown(name)}: {note}"

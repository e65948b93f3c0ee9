"""What people upload to the page of ``mickey-hloc serve``: within limits, upright, under names that files can have."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from mickey_hloc.errors import InputError
from mickey_hloc.io.images import check_not_turned, read_image, read_image_size
from mickey_hloc.io.video import SUFFIXES as VIDEO_SUFFIXES
from mickey_hloc.io.video import SamplingOptions, is_video, sample_frames
from mickey_hloc.io.zip_photos import unpack_photos

UPRIGHT = 1  # of EXIF orientations
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Limits:
    """What is taken. Attributes: megapixels, megabytes: of one photo. photos: of one model."""

    megapixels: int = 50
    megabytes: int = 25
    photos: int = 40


def check_size(path: Path, limits: Limits) -> None:
    """Refuse photos that are too large, before they are read.

    Raises:
        InputError: no image, or too many pixels.
    """
    width, height = read_image_size(path)
    if width * height > limits.megapixels * 1e6:
        raise InputError(f"{path} has {width * height / 1e6:.0f} megapixels; at most {limits.megapixels} are taken.")


def upright(path: Path, limits: Limits) -> Path:
    """A photo as people see it: one that its EXIF data turn is written anew, in its place, and keeps its focal length.

    Raises:
        InputError: no image, or too many pixels.
    """
    check_size(path, limits)
    try:
        check_not_turned(path)
        return path
    except InputError:
        read_image(path, "ignore")  # what cannot be read is said here
        with Image.open(path) as image:
            exif, shown = image.getexif(), ImageOps.exif_transpose(image)
            exif[_ORIENTATION] = UPRIGHT
            shown.convert("RGB").save(path.with_suffix(".upright.jpg"), quality=95, exif=exif)
        os.replace(path.with_suffix(".upright.jpg"), path)
        return path


def photos_of(files: Sequence[Path], folder: Path, limits: Limits) -> tuple[list[str], bool]:
    """Copy photos, those of zips, or the frames of a video into a folder.

    Args:
        folder: exists and is empty.

    Returns:
        Names of the photos, and whether they are a video's, in its order.

    Raises:
        InputError: something that is none of these, too many of them, or too large ones.
    """
    videos = [path for path in files if is_video(path)]
    if videos:
        if len(files) > 1:
            raise InputError("A video is a model of its own; upload it alone.")
        return sample_frames(videos[0], folder / "frames", SamplingOptions(max_frames=limits.photos)), True
    for number, path in enumerate(files):
        if path.suffix.lower() == ".zip":
            inside = folder / f"zip{number}"
            inside.mkdir()
            unpacked = unpack_photos(path, inside, limits.photos, int(limits.megabytes * 1e6))
            for photo in unpacked:
                _take(photo, folder, limits, move=True)
            inside.rmdir()
        else:
            _take(path, folder, limits)
    names = sorted(path.name for path in folder.iterdir())
    if not 2 <= len(names) <= limits.photos:
        kinds = f"a zip of them, or a video ({', '.join(VIDEO_SUFFIXES)})"
        raise InputError(f"{len(names)} photos were uploaded; a model takes 2 to {limits.photos}, as photos, {kinds}.")
    return names, False


def _take(path: Path, folder: Path, limits: Limits, move: bool = False) -> None:
    name = re.sub(r"[^\w.-]", "_", path.name)
    target = folder / name
    if target.exists():
        raise InputError(f"Two photos are called {name}; rename one of them.")
    if move:
        path.replace(target)
    else:
        shutil.copyfile(path, target)
    upright(target, limits)

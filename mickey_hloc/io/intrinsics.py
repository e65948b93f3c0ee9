"""Pinhole intrinsics: what numbers are those of a camera, and files of lines ``name fx fy cx cy w h``.

The file format is that of Map-free and of the MicKey demo. Pixel centres are at integers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.io.text import read_lines, shown

T = TypeVar("T")
# Of the longer side of the image; a telescope with 0.1 degrees and a fisheye with 179 degrees are within.
MIN_FOCAL, MAX_FOCAL = 0.005, 1000.0
GUESSED_FOCAL_MM = 28.0  # of a lens on 35 mm film, by the diagonal
HALF_PIXEL = 0.5  # from the centre of a pixel at the border to the border of the image


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """A pinhole camera.

    Attributes:
        K: (3, 3) float64, pixels.
        width, height: the image size that K is for, pixels.
    """

    K: np.ndarray
    width: int
    height: int

    @classmethod
    def from_focal(cls, focal_px: float, width: int, height: int, where: str = "the focal length") -> "Intrinsics":
        """Square pixels and the principal point in the middle of the image, ((w - 1) / 2, (h - 1) / 2).

        Raises:
            InputError: see ``check_camera``.
        """
        if not (math.isfinite(focal_px) and focal_px > 0):
            raise InputError(f"The focal length must be a positive number of pixels, got {focal_px}.")
        K = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1.0]])
        return check_camera(cls(K, width, height), where)

    def check_size(self, width: int, height: int, image: Path, source: str) -> None:
        """Raise an InputError unless the image has the size that K is for."""
        if (width, height) != (self.width, self.height):
            raise InputError(
                f"{image} is {width}x{height} px but its intrinsics in {source} are for {self.width}x{self.height}; "
                "give the intrinsics of this resolution or resize the image."
            )

    def equals(self, other: "Intrinsics") -> bool:
        """Whether both are the same camera."""
        return (self.width, self.height) == (other.width, other.height) and np.array_equal(self.K, other.K)


def guessed_focal_px(width: int, height: int) -> float:
    """A focal length for an image of an unknown camera: that of most phones and webcams, 75 degrees across."""
    return GUESSED_FOCAL_MM * math.hypot(width, height) / math.hypot(36.0, 24.0)


def check_camera(camera: Intrinsics, where: str) -> Intrinsics:
    """The camera, as it is: the one check of cameras from every source.

    Args:
        where: begins the message, e.g. file and line.

    Raises:
        InputError: a value is not finite, the size not positive, a focal length not positive or impossible for the
            size, or the principal point outside the image.
    """
    K, width, height = camera.K, camera.width, camera.height
    fx, fy, cx, cy = (float(K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if not np.isfinite(K).all() or min(fx, fy, width, height) <= 0:
        raise InputError(f"{where}: focal lengths and sizes must be positive and all values finite.")
    if not np.array_equal(K[2], [0, 0, 1]) or K[1, 0] != 0:
        raise InputError(f"{where}: {K.tolist()} is no camera matrix fx 0 cx 0 fy cy 0 0 1.")
    longest = max(width, height)
    for focal in (fx, fy):
        if not MIN_FOCAL <= focal / longest <= MAX_FOCAL:
            raise InputError(
                f"{where}: a focal length of {focal:g} px is impossible for an image of {width}x{height}; it is given "
                "in pixels of this image."
            )
    if not (-HALF_PIXEL <= cx <= width - HALF_PIXEL and -HALF_PIXEL <= cy <= height - HALF_PIXEL):
        raise InputError(
            f"{where}: the principal point ({cx:g}, {cy:g}) is outside the image of {width}x{height}; are these the "
            "intrinsics of another resolution?"
        )
    return camera


def whole_size(width: float, height: float, where: str) -> tuple[int, int]:
    """(width, height) as whole numbers.

    Raises:
        InputError: they are not positive whole numbers of pixels.
    """
    if not (math.isfinite(width) and math.isfinite(height)) or min(width, height) <= 0:
        raise InputError(f"{where}: focal lengths and sizes must be positive and all values finite.")
    if width != int(width) or height != int(height):
        raise InputError(f"{where}: the image size must be whole pixels, got {width} x {height}.")
    return int(width), int(height)


def read_intrinsics(path: Path) -> dict[str, Intrinsics]:
    """All lines of an intrinsics file by image name. Lines starting with # and empty lines are skipped.

    Raises:
        InputError: the file is missing, or a line is malformed (which one is said).
    """
    check_exists(path)
    found: dict[str, Intrinsics] = {}
    for number, line in read_lines(path, "intrinsics file"):
        name, intrinsics = parse_intrinsics(line, f"{path}, line {number}")
        if name in found and not found[name].equals(intrinsics):
            raise twice(name, f"{path}, line {number}")
        found[name] = intrinsics
    if not found:
        raise InputError(f"{path} has no intrinsics; it needs lines 'name fx fy cx cy w h'.")
    return found


def check_exists(path: Path) -> None:
    """Raise an InputError where there is nothing to read cameras from."""
    if not path.exists():
        raise InputError(f"{path} cannot be read as an intrinsics file: there is no such file or folder.")


def parse_intrinsics(line: str, where: str) -> tuple[str, Intrinsics]:
    """Name and camera of a line ``name fx fy cx cy w h``; the name may have spaces.

    Raises:
        InputError: it is no such line, or its numbers are those of no camera.
    """
    fields = line.strip().rsplit(maxsplit=6)
    try:
        if len(fields) != 7:
            raise ValueError
        fx, fy, cx, cy, width, height = map(float, fields[1:])
    except ValueError:
        raise InputError(f"{where}: expected 'name fx fy cx cy w h', got {shown(line.strip()[:120])!r}.") from None
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return fields[0], check_camera(Intrinsics(K, *whole_size(width, height, where)), where)


def twice(name: str, where: str) -> InputError:
    """The error for an image with two cameras."""
    return InputError(f"{where}: {shown(name)} is there twice with different values; keep one.")


def find_intrinsics(table: Mapping[str, T], image: Path, source: Path) -> T:
    """The entry of an image: its path relative to the intrinsics file, or the one name that ends its path.

    Raises:
        InputError: no line or several different lines fit.
    """
    absolute = image.absolute()
    if absolute.is_relative_to(source.absolute().parent):
        relative = absolute.relative_to(source.absolute().parent).as_posix()
        if relative in table:
            return table[relative]
    parts = absolute.parts
    fitting = [name for name in table if parts[-len(Path(name).parts) :] == Path(name).parts]
    if not fitting:
        example = shown(next(iter(table), ""))
        raise InputError(
            f"{shown(str(image))} is not in {source} (it has names like '{example}'); add a line "
            f"'{shown(image.name)} fx fy cx cy w h'."
        )
    longest = max(fitting, key=lambda name: len(Path(name).parts))
    return table[longest]

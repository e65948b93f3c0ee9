"""Pinhole intrinsics: files of lines ``name fx fy cx cy w h``, a focal length, or EXIF.

The file format is that of Map-free and of the MicKey demo. Pixel centres are at integers.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mickey_hloc.errors import InputError


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
    def from_focal(cls, focal_px: float, width: int, height: int) -> "Intrinsics":
        """Square pixels and the principal point in the middle of the image, ((w - 1) / 2, (h - 1) / 2)."""
        if not (math.isfinite(focal_px) and focal_px > 0):
            raise InputError(f"The focal length must be a positive number of pixels, got {focal_px}.")
        return cls(
            np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1.0]]), width, height
        )

    def check_size(self, width: int, height: int, image: Path, source: str) -> None:
        """Raise an InputError unless the image has the size that K is for."""
        if (width, height) != (self.width, self.height):
            raise InputError(
                f"{image} is {width}x{height} px but its intrinsics in {source} are for {self.width}x{self.height}; "
                "give the intrinsics of this resolution or resize the image."
            )


def read_intrinsics(path: Path) -> dict[str, Intrinsics]:
    """All lines of an intrinsics file by image name. Lines starting with # and empty lines are skipped.

    Raises:
        InputError: the file is missing, or a line is malformed (which one is said).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as an intrinsics file: {error}.") from error
    found: dict[str, Intrinsics] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, intrinsics = _parse_line(line, f"{path}, line {number}")
        if name in found and not np.array_equal(found[name].K, intrinsics.K):
            raise InputError(f"{path}, line {number}: {name} is there twice with different values; keep one.")
        found[name] = intrinsics
    if not found:
        raise InputError(f"{path} has no intrinsics; it needs lines 'name fx fy cx cy w h'.")
    return found


def _parse_line(line: str, where: str) -> tuple[str, Intrinsics]:
    fields = line.strip().rsplit(maxsplit=6)
    try:
        if len(fields) != 7:
            raise ValueError
        fx, fy, cx, cy, width, height = map(float, fields[1:])
    except ValueError:
        raise InputError(f"{where}: expected 'name fx fy cx cy w h', got {line.strip()[:120]!r}.") from None
    if not all(map(math.isfinite, (fx, fy, cx, cy, width, height))) or min(fx, fy, width, height) <= 0:
        raise InputError(f"{where}: focal lengths and sizes must be positive and all values finite.")
    if width != int(width) or height != int(height):
        raise InputError(f"{where}: the image size must be whole pixels, got {width} x {height}.")
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return fields[0], Intrinsics(K, int(width), int(height))


def find_intrinsics(table: dict[str, Intrinsics], image: Path, source: Path) -> Intrinsics:
    """The intrinsics of an image: its path relative to the intrinsics file, or the one name that ends its path.

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
        raise InputError(f"{image} is not in {source}; add a line '{image.name} fx fy cx cy w h'.")
    longest = max(fitting, key=lambda name: len(Path(name).parts))
    return table[longest]

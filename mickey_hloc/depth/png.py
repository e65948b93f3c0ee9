"""Depth from 16-bit PNG (or PGM) files in millimetres that lie beside the images: sensors and other methods' maps."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from mickey_hloc.depth.base import as_metres
from mickey_hloc.depth.dense import MAX_PIXELS, DenseDepthSource, DenseOptions, check_resolution, require_positive
from mickey_hloc.errors import InputError

UNKNOWN = (0, 65535)  # 7-Scenes writes 65535 for "no measurement"; as millimetres it is only ever a saturated value


@dataclass(frozen=True)
class PngOptions(DenseOptions):
    """Attributes: metres_per_unit: what one step of the file means; 0.001 = millimetres."""

    metres_per_unit: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "metres_per_unit")


class PngDepth(DenseDepthSource):
    """``png:<suffix>``: frame_00000.jpg has its depth in frame_00000.<suffix>.png, 16 bit, millimetres, 0 = unknown.

    ``png:<suffix>@<units per metre>`` for files in another unit: 5000 for TUM, 256 for KITTI, 1 for metres.
    For 7-Scenes and ScanNet, frame-000000.color.png finds frame-000000.depth.<suffix>.png and frame-000000.<suffix>.png
    (suffix ``depth`` is the sensor there). PGM files of the same names are read as well.
    """

    unit_advice = (
        "Without a unit it is read as millimetres; png:<suffix>@1 reads metres, @100 centimetres, @5000 TUM's and @256 "
        "KITTI's files."
    )
    Options: ClassVar[type] = PngOptions
    depth_kind: ClassVar[str] = "measured"
    options: PngOptions

    def __init__(
        self, argument: str = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        self.suffix, units_per_metre = split_unit(argument)
        self._unit_is_said = units_per_metre is not None or "metres_per_unit" in options
        if units_per_metre is not None:
            if "metres_per_unit" in options:
                raise InputError(
                    f"'png:{argument}' and the option metres_per_unit both say what the unit is; leave out one of them."
                )
            options["metres_per_unit"] = 1.0 / units_per_metre
        super().__init__(argument, image_dir=image_dir, features=features, **options)

    @property
    def unit_is_said(self) -> bool:
        return self._unit_is_said

    def _argument_identity(self) -> str:
        return self.suffix  # the unit is an option

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        candidates = depth_paths(self.image_path(image_name), self.suffix)
        for path in candidates:
            if path.is_file():
                depth_map = read_depth_png(path, self.options.metres_per_unit)
                check_resolution(str(path), depth_map, image_size)
                return depth_map
        raise InputError(
            f"No depth file for image '{image_name}': expected {candidates[0]} (16-bit PNG, millimetres or as the unit "
            f"says); write it there or choose another suffix than '{self.suffix}'."
        )


def split_unit(argument: str) -> tuple[str, float | None]:
    """The suffix and the units per metre of ``<suffix>[@<units per metre>]``; None where it gives no unit.

    Raises:
        InputError: the suffix cannot be part of a file's name, or the unit is no positive number.
    """
    suffix, at, text = argument.partition("@")
    check_suffix(suffix)
    if not at:
        return suffix, None
    try:
        units = float(text)
    except ValueError:
        units = math.nan
    if not (0 < units < math.inf and 1.0 / units < math.inf):
        raise InputError(
            f"'png:{argument}': what stands behind the @ must be the number of units in a metre, e.g. 1000 for "
            "millimetres, 5000 for TUM, 256 for KITTI or 1 for metres."
        )
    return suffix, units


def check_suffix(suffix: str) -> None:
    """Refuse what cannot be part of a file's name.

    Raises:
        InputError: anything but letters, digits, _ and -, with single dots between.
    """
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", suffix):
        raise InputError(
            f"'{suffix}' cannot be part of a depth file's name; png:sensor reads frame_00000.sensor.png, for example."
        )


def depth_paths(image: Path, suffix: str) -> list[Path]:
    """Where the depth of an image may lie, the usual place first."""
    stems = [f"{image.stem}.{suffix}"]
    if image.stem.endswith(".color"):  # 7-Scenes, ScanNet
        frame = image.stem.removesuffix(".color")
        stems = [f"{frame}.{suffix}" if suffix == "depth" else f"{frame}.depth.{suffix}", f"{frame}.{suffix}", *stems]
    return [image.with_name(stem + extension) for extension in (".png", ".pgm") for stem in dict.fromkeys(stems)]


def read_depth_png(path: Path, metres_per_unit: float = 0.001) -> Tensor:
    """Read one 16-bit file.

    Returns:
        (H, W) metres, float32, NaN where the file has 0 or 65535.

    Raises:
        InputError: the file is absent, truncated, absurdly large or not 16-bit grey.
    """
    values = _read_pgm(path) if path.suffix.lower() == ".pgm" else _read_png(path)
    return as_metres(np.where(np.isin(values, UNKNOWN), np.nan, values * metres_per_unit))


def _read_png(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            kind, size = f"{image.format} of type {image.mode}", image.size
            values = np.array(image) if size[0] * size[1] <= MAX_PIXELS else None
    except FileNotFoundError:
        raise InputError(f"No depth file {path}.") from None
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable PNG ({error}); it may be truncated, write it again.") from error
    if values is None:
        raise InputError(f"{path} claims to be {size[0]}x{size[1]} pixels; replace the file.")
    if kind not in ("PNG of type I;16", "PNG of type I;16B"):
        raise InputError(
            f"{path} is a {kind}, not a 16-bit grey PNG; write depth in millimetres as one 16-bit channel."
        )
    return values.astype(np.uint16)


def _read_pgm(path: Path) -> np.ndarray:
    # Pillow stretches a PGM's values to its largest one; OpenCV leaves them as they are.
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(f"{path} is not a readable 16-bit PGM; write depth in millimetres as one 16-bit channel.")
    return values

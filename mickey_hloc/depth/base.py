"""The contract of every depth source: the metric depth of an image at given keypoints."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from mickey_hloc.depth.table import name_of, written_as
from mickey_hloc.errors import InputError, PartError
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.checksum import sha256
from mickey_hloc.io.features import LearnedFocal
from mickey_hloc.io.images import read_image_size
from mickey_hloc.registry import Part

S = TypeVar("S", bound="DepthSource")


class DepthSource(Part, ABC):
    """Metric depth at keypoints of an image. Subclasses say where it comes from, this class checks what they give.

    A subclass implements ``_depths`` and, where it has a depth map, ``_depth_map`` (see ``DenseDepthSource``, which
    does both from one). It may define ``Options``, a frozen dataclass derived from CheckedOptions whose defaults are
    the source's defaults. It is made from a spec, ``name:argument``.

    Args:
        argument: what stands behind the name in the spec, "" where nothing does.
        image_dir: the folder that image names are relative to, where known.
        features: a features file with depths, where known.
        options: named options of this source.

    Raises:
        InputError: an unusable argument, an unknown option, or a folder or file that is needed and not given.
    """

    kind = "depth source"
    without_effect: ClassVar[frozenset[str]] = frozenset()  # options that leave all numbers as they are
    depth_kind: ClassVar[str] = "learned"  # or "measured", "constant": what calibrations tell sources apart by
    uses_cameras: ClassVar[bool] = False  # whether it is told the intrinsics of the images, see ``cameras``
    costly: ClassVar[bool] = False  # whether asking again only to compare is too expensive

    def __init__(
        self, argument: str = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.argument = argument
        self.image_dir = None if image_dir is None else Path(image_dir)
        self.features = None if features is None else Path(features)
        self.cameras: Cameras | None = None
        self.spec = f"{name_of(type(self))}:{argument}" if argument else name_of(type(self))  # as it is written

    def _made_with(self: S, **options: Any) -> S:
        made = type(self)(self.argument, image_dir=self.image_dir, features=self.features, **options)
        made.cameras = self.cameras
        made.spec = self.spec
        return made

    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        """Depth along the optical axis.

        Args:
            image_name: the image, as named in pairs and features files (a path relative to the image folder).
            keypoints: (N, 2) pixels of the image as stored, centre of the top-left pixel = (0, 0).

        Returns:
            (N,) metres, float32, on the device of ``keypoints``; NaN where unknown.

        Raises:
            InputError: the source has nothing for this image, or its file cannot be used.
            PartError: the source gave something else, or has a bug.
        """
        if keypoints.ndim != 2 or keypoints.shape[1] != 2:
            raise ValueError(f"keypoints must have shape (N, 2), got {tuple(keypoints.shape)}")
        with self.running():
            given = self._depths(image_name, keypoints)
        depths = self._checked(given, "depths", image_name).to(keypoints.device)
        if depths.shape != keypoints.shape[:1]:
            raise PartError(
                f"Depth source '{self.spec}' gave depths of shape {tuple(depths.shape)} for the {len(keypoints)} "
                f"keypoints of image '{image_name}'; {type(self).__name__}._depths must give one for each."
            )
        return depths.masked_fill(~torch.isfinite(keypoints).all(dim=-1), torch.nan)

    def depth_map(self, image_name: str) -> Tensor | None:
        """(H, W) metres at the resolution of the image as stored, float32, NaN where unknown.

        None where the source has no whole map of an image.

        Raises:
            InputError, PartError: as ``depths``.
        """
        with self.running():
            found = self._depth_map(image_name)
        if found is None:
            return None
        depth_map = self._checked(found, "a depth map", image_name)
        size = self._stored_size(image_name)
        if depth_map.ndim != 2 or depth_map.numel() == 0 or (size and tuple(depth_map.shape) != size[::-1]):
            where = f"image '{image_name}'" + (f" of {size[0]}x{size[1]} pixels" if size else "")
            raise PartError(
                f"Depth source '{self.spec}' gave a depth map of shape {tuple(depth_map.shape)} for {where}; it must "
                "be (height, width) of the image."
            )
        return depth_map

    @abstractmethod
    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        """(N,) metres at (N, 2) pixels; not finite or <= 0 means unknown."""

    def _depth_map(self, image_name: str) -> Tensor | None:
        """(H, W) metres; not finite or <= 0 means unknown."""
        return None

    @property
    def training_focal_px(self) -> float | None:
        """The focal length at which a network learned this depth, pixels; None where depth does not depend on it."""
        return None

    def learned_focal(self, image_name: str) -> LearnedFocal | None:
        """At which focal length this depth was learned, and at which scale; None where it does not matter."""
        return None

    def image_names(self) -> list[str] | None:
        """The images that this source has depth for; None where it does not know them beforehand."""
        return None

    def identity(self) -> dict[str, Any]:
        """What decides the numbers, as plain values: the name, options, and the argument with files by checksum.

        Raises:
            InputError: a file that decides them cannot be read.
        """
        options = {key: value for key, value in vars(self.options).items() if key not in self.without_effect}
        values = {"source": name_of(type(self)), "argument": self._argument_identity(), "options": options}
        if self.uses_cameras and self.cameras is not None:
            values["cameras"] = self.cameras.checksum()
        plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
        return plain

    def _argument_identity(self) -> Any:
        """The argument; where it names a file, the file's checksum."""
        path = Path(self.argument)
        return {"sha256": sha256(path)} if self.argument and path.is_file() else self.argument

    def image_path(self, image_name: str) -> Path:
        """The path of an image.

        Raises:
            InputError: no image folder was given, or the name leads out of it.
        """
        if self.image_dir is None:
            raise self._needs("the image folder: give --images DIR (in Python image_dir)")
        return image_path(self.image_dir, image_name)

    def _needs(self, what: str) -> InputError:
        """The error for something that was not given."""
        return InputError(f"Depth source '{self.spec}' needs {what}.")

    def _needs_argument(self) -> InputError:
        return InputError(f"Depth source '{name_of(type(self))}' needs its argument: write {written_as(type(self))}.")

    def _stored_size(self, image_name: str) -> tuple[int, int] | None:
        """(width, height) where the image lies in the image folder."""
        if self.image_dir is None or not (path := self.image_path(image_name)).is_file():
            return None
        return read_image_size(path)

    def _checked(self, values: Any, what: str, image_name: str) -> Tensor:
        try:
            return as_metres(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise PartError(
                f"Depth source '{self.spec}' gave {what} of type {type(values).__name__} for image '{image_name}'; it "
                "must be a tensor of numbers."
            ) from error


def as_metres(values: Any) -> Tensor:
    """Float32 tensor of the same shape, with NaN where the value is no depth: not finite or <= 0."""
    depths = torch.as_tensor(values, dtype=torch.float32).detach()
    return depths.masked_fill(~(torch.isfinite(depths) & (depths > 0)), torch.nan)


def image_path(image_dir: Path, image_name: str) -> Path:
    """The path of an image.

    Raises:
        InputError: the name leads out of the image folder.
    """
    path = image_dir / image_name
    if not path.resolve().is_relative_to(image_dir.resolve()):
        raise InputError(f"Image name '{image_name}' leads out of {image_dir}; names are relative to the image folder.")
    return path

"""The contract of every depth source: the metric depth of an image at given keypoints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class DepthContext:
    """What a source may need besides its own argument.

    Attributes:
        image_dir: the folder that image names are relative to, where known.
        features: a features file with depths, where known.
        upright: keypoints and depth maps belong to the photo turned by its EXIF orientation; False: to the pixels as
            the file stores them, as in hloc and COLMAP. It matters only for photos that carry such an orientation.
    """

    image_dir: Path | None = None
    features: Path | None = None
    upright: bool = False


class DepthSource(ABC):
    """Metric depth at keypoints of an image. Subclasses say where it comes from."""

    @classmethod
    @abstractmethod
    def create(cls, argument: str, context: DepthContext, options: dict[str, Any]) -> DepthSource:
        """Build the source from the command line's form ``name:argument``.

        Args:
            argument: what stands behind the colon, "" where there is none.
            context: folders and files, and how photos are turned.
            options: named options of this source.

        Raises:
            InputError: an unusable argument, an unknown option, or a folder or file that is needed and not given.
        """

    @abstractmethod
    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        """Depth along the optical axis.

        Args:
            image_name: the image, as named in pairs and features files (a path relative to the image folder).
            keypoints: (N, 2) pixels of the original image, centre of the top-left pixel = (0, 0).

        Returns:
            (N,) metres, float32, NaN where unknown.

        Raises:
            InputError: the source has nothing for this image, or its file cannot be used.
        """

    def depth_map(self, image_name: str) -> Tensor | None:
        """(H, W) metres at the image's resolution, NaN where unknown; None where the source is not dense."""
        return None

    def image_names(self) -> list[str] | None:
        """The images that this source has depth for; None where it does not know them beforehand."""
        return None

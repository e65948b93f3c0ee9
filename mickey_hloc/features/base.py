"""The contract of every extractor: a batch of images of one size in, the arrays of each image's group out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.io.features import PER_KEYPOINT
from mickey_hloc.io.image_batches import Preprocessing, Size
from mickey_hloc.registry import CheckedOptions, Part, options_tag

Arrays = Mapping[str, np.ndarray]
FAMILY_KEY = "mickey_hloc_family"  # attribute of a features file, see ``Extractor.family``


@dataclass(frozen=True)
class ExtractorOptions(CheckedOptions):
    """Options of every extractor.

    Attributes:
        preprocessing: how images are read and resized.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)


class Extractor(Part, ABC):
    """Base of the extractors. A subclass defines ``Options`` (derived from ``ExtractorOptions``), the ``datasets`` it
    makes besides keypoints, and ``_extract``; this class checks what it returns.
    """

    kind = "feature"
    datasets: ClassVar[frozenset[str]]
    default_matcher: ClassVar[str | None] = None  # the matcher that suits these features, where there is one

    @property
    def default_solver(self) -> str:
        """The solver that suits these features."""
        return "procrustes"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How images are read and resized, with nothing left to look up."""
        preprocessing: Preprocessing = self.options.preprocessing
        return preprocessing

    def network_size(self, image_size: Size, focal_px: float | None = None) -> Size:
        """(width, height) at which the network sees an image of that size and, where known, focal length (pixels)."""
        return self.preprocessing.network_size(image_size)

    def extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        """Features of a batch of images.

        Args:
            images: (B, 3, H, W) RGB, or (B, 1, H, W) grey where ``preprocessing`` says so; float32 in [0, 1], CPU.

        Returns:
            For each image ``keypoints`` (N, 2) pixels of the given image, centre of the top-left pixel = (0, 0), and
            the arrays named in ``datasets``, float32: ``descriptors`` (D, N), ``keypoint_scores`` (N,), ... An image
            of a single colour has no keypoints.

        Raises:
            InputError: images of this size cannot be processed.
            TypeError: the extractor returned something else.
        """
        found = self._extract(images)
        if len(found) != len(images):
            raise TypeError(f"{type(self).__name__} returned {len(found)} results for {len(images)} images")
        blank = (images == images[..., :1, :1]).flatten(1).all(dim=1)
        return [self._checked(arrays, bool(empty)) for arrays, empty in zip(found, blank, strict=True)]

    @abstractmethod
    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]: ...

    @property
    def family(self) -> str:
        """What calibrations of the confidence know these features by."""
        return self.name

    def attributes(self) -> dict[str, float | str]:
        """Plain values that the features file should say, e.g. constants that matching needs."""
        return {FAMILY_KEY: self.family}

    def tag(self) -> str:
        """A name for files: what decides the numbers is in it."""
        size = self.preprocessing.resize_max
        options = options_tag(self, ignored=("preprocessing", "device"))
        return "-".join([self.file_name, *options, "full" if size is None else f"r{size}"])

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self.options).items() if k not in ("preprocessing", "device")}

    def _checked(self, arrays: Mapping[str, np.ndarray], empty: bool) -> dict[str, np.ndarray]:
        who = type(self).__name__
        keypoints = np.asarray(arrays["keypoints"]) if "keypoints" in arrays else None
        if keypoints is None or keypoints.ndim != 2 or keypoints.shape[1] != 2 or not np.isfinite(keypoints).all():
            raise TypeError(f"{who} must return finite keypoints of shape (N, 2)")
        lacking = sorted(self.datasets - set(arrays))
        if lacking:
            raise TypeError(f"{who} promises {', '.join(lacking)}, but did not return it")
        checked = {}
        for key, value in arrays.items():
            array = np.asarray(value, dtype=np.float32)
            per_keypoint = key in PER_KEYPOINT or key == "keypoints"
            count = array.shape[0] if per_keypoint and array.ndim else array.shape[-1] if key == "descriptors" else None
            if count is not None and count != len(keypoints):
                raise TypeError(f"{who} returned {count} {key} for {len(keypoints)} keypoints")
            if empty and count is not None:
                array = array[:0] if per_keypoint else array[:, :0]
            checked[key] = array
        if "descriptors" in checked and not np.isfinite(checked["descriptors"]).all():
            raise TypeError(f"{who} returned descriptors that are not finite")
        return checked


def describe_images(
    extractor: Extractor, images: Tensor, image_sizes: list[Size], as_half: bool = True
) -> list[dict[str, np.ndarray]]:
    """The arrays of each image's group in a features file, in pixels of the original images.

    Args:
        images: (B, C, H, W) as the network sees them.
        image_sizes: (width, height) of each original image.
        as_half: descriptors in 16 bit, as hloc stores them.

    Raises:
        InputError: see ``Extractor.extract``.
    """
    with torch.inference_mode():
        found = extractor.extract(images)
    network_size = (images.shape[-1], images.shape[-2])
    return [to_original_image(a, network_size, s, as_half) for a, s in zip(found, image_sizes, strict=True)]


def to_original_image(arrays: Arrays, network_size: Size, image_size: Size, as_half: bool) -> dict[str, np.ndarray]:
    """Keypoints of the resized image -> pixels of the original one, as hloc stores them.

    With pixel centres at integers, x' = s (x + 1/2) - 1/2. ``uncertainty`` is one pixel of the resized image.
    """
    scale = np.array(image_size, dtype=np.float32) / np.array(network_size, dtype=np.float32)
    stored: dict[str, np.ndarray] = {key: np.asarray(value, dtype=np.float32) for key, value in arrays.items()}
    stored["keypoints"] = (stored["keypoints"] + 0.5) * scale - 0.5
    if "scales" in stored:
        stored["scales"] = stored["scales"] * scale.mean()
    if as_half and "descriptors" in stored:
        stored["descriptors"] = stored["descriptors"].astype(np.float16)
    stored["image_size"] = np.array(image_size)
    stored["uncertainty"] = scale.mean()
    return stored

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

from mickey_hloc.errors import InputError
from mickey_hloc.io.features import PER_KEYPOINT
from mickey_hloc.io.image_batches import Preprocessing, Size
from mickey_hloc.registry import CheckedOptions, Part, options_tag

Arrays = Mapping[str, np.ndarray]
MATCHER_KEY = "mickey_hloc_matcher"  # attribute of a features file: the name of the matcher that suits it
FAMILY_KEY = "mickey_hloc_family"  # attribute of a features file, see ``Extractor.family``
SHOWN_PREPROCESSING = ("preprocessing.globs", "preprocessing.resize_max")  # chooses images; stands in the tag itself
_FINITE = frozenset({"keypoints", "descriptors", *PER_KEYPOINT}) - {"depths"}


@dataclass(frozen=True)
class ExtractorOptions(CheckedOptions):
    """Options of every extractor.

    Attributes:
        preprocessing: how images are read and resized.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)


class Extractor(Part, ABC):
    """Base of the extractors. A subclass defines ``_extract``, its ``Options`` (derived from ``ExtractorOptions``) and
    the ``datasets`` it makes besides keypoints; this class checks what it returns.
    """

    kind = "feature"
    Options: ClassVar[type] = ExtractorOptions
    datasets: ClassVar[frozenset[str]] = frozenset()
    default_matcher: ClassVar[str | None] = None  # the matcher that suits these features, where there is one

    @property
    def default_solver(self) -> str:
        """The solver that suits these features."""
        return "procrustes"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How images are read and resized, with nothing left to look up."""
        return chosen_preprocessing(self)

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
            PartError: the extractor returned something else, or has a bug.
        """
        with self.running():
            found = self._extract(images)
        if not isinstance(found, (list, tuple)) or len(found) != len(images):
            what = f"{len(found)} results" if isinstance(found, (list, tuple)) else type(found).__name__
            raise self.broken(f"returned {what} for {len(images)} images, but must return a list with one for each")
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
        matcher = {} if self.default_matcher is None else {MATCHER_KEY: self.default_matcher}
        return {FAMILY_KEY: self.family, **matcher}

    def tag(self) -> str:
        """A name for files: what decides the numbers is in it."""
        return image_part_tag(self, self.preprocessing)

    def identity(self) -> dict[str, Any]:
        """As of every part; ``preprocessing``, which the caller may change, is told apart from it."""
        return {key: value for key, value in super().identity().items() if key != "preprocessing"}

    def _checked(self, arrays: Any, empty: bool) -> dict[str, np.ndarray]:
        """The arrays of an image as float32, all of them cut to no keypoints where it is ``empty``."""
        if not isinstance(arrays, Mapping):
            raise self.broken(f"returned {type(arrays).__name__} for an image, but must return its arrays by name")
        lacking = sorted(({"keypoints"} | self.datasets) - set(arrays))
        if lacking:
            raise self.broken(f"promises {', '.join(lacking)}, but did not return it")
        checked = {key: self._array(key, value) for key, value in arrays.items()}
        count = len(checked["keypoints"]) if checked["keypoints"].ndim else 0
        expected = {"keypoints": (count, 2), **dict.fromkeys(PER_KEYPOINT, (count,))}
        for key, array in checked.items():
            shape = (*array.shape[:1], count) if key == "descriptors" else expected.get(key, array.shape)
            if array.shape != shape or (key == "descriptors" and array.ndim != 2):
                wanted = ("D", count) if key == "descriptors" else ("N", 2) if key == "keypoints" else shape
                told = ", ".join(map(str, wanted)) + ("," if len(wanted) == 1 else "")
                raise self.broken(f"returned {key} of shape {array.shape}, but it must be ({told})")
            if key in _FINITE and not np.isfinite(array).all():
                raise self.broken(f"returned {key} that are not finite")
        if empty:
            return {k: a[:, :0] if k == "descriptors" else a[:0] if k in expected else a for k, a in checked.items()}
        return checked

    def _array(self, key: str, value: Any) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):
                return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise self.broken(f"returned {key} of type {type(value).__name__}, but it must be an array") from error


def chosen_preprocessing(part: Part) -> Preprocessing:
    """The ``preprocessing`` of a part's options.

    Raises:
        InputError: it is left to the training of a part that has none.
        PartError: the options have none.
    """
    preprocessing = getattr(part.options, "preprocessing", None)
    if not isinstance(preprocessing, Preprocessing):
        raise part.broken("has options without preprocessing: derive them from the Options of its base class")
    if isinstance(preprocessing.resize_max, str):
        raise InputError(
            f"The {part.kind} {part.name} does not say on which size it was trained: give resize_max in pixels or null."
        )
    return preprocessing


def image_part_tag(part: Part, preprocessing: Preprocessing) -> str:
    """A name for files of what a part makes from images: its name, what differs from its usual options, the size."""
    size = preprocessing.resize_max
    options = options_tag(part, ignored=SHOWN_PREPROCESSING)
    return "-".join([part.file_name, *options, "full" if size is None else f"r{size}"])


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
    network_size = (images.shape[-1], images.shape[-2])
    try:
        with torch.inference_mode():
            found = extractor.extract(images)
    except InputError as error:
        if len(image_sizes) == 1 and network_size != image_sizes[0]:
            w, h = image_sizes[0]
            raise InputError(
                f"{error} (resized for the network; leave it out or crop it, the file has {w}x{h} px)"
            ) from error
        raise
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

"""The contract of every pair model: two images in, matched keypoints out, with metric depth where the model has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.features.base import to_original_image
from mickey_hloc.io.image_batches import Preprocessing, prepare_image
from mickey_hloc.registry import CheckedOptions, Part, options_tag, require


@dataclass(frozen=True)
class PairModelOptions(CheckedOptions):
    """Options of every pair model.

    Attributes:
        preprocessing: how images are read and resized.
        size_multiple: the sides of images become multiples of it, pixels.
        device: default: the GPU where there is one.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    size_multiple: int = 1
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "size_multiple", self.size_multiple >= 1, "at least 1")


@dataclass(frozen=True, eq=False)
class PairMatches:
    """What a pair model says of two images.

    Attributes:
        keypoints0, keypoints1: (M, 2) pixels, matched row by row; centre of the top-left pixel = (0, 0).
        scores: (M,) in [0, 1].
        depths0, depths1: (M,) metres, of models that have metric depth; non-finite or <= 0 means unusable.
    """

    keypoints0: Tensor
    keypoints1: Tensor
    scores: Tensor
    depths0: Tensor | None = None
    depths1: Tensor | None = None


class PairModel(Part, ABC):
    """Base of the pair models. A subclass defines ``Options`` (derived from ``PairModelOptions``) and ``_match``; this
    class checks what it returns.
    """

    kind = "pair model"
    has_depth: ClassVar[bool] = False  # whether its matches come with metric depth in both images
    options: PairModelOptions

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are read and resized."""
        return self.options.preprocessing

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) at which the model sees an image of that size."""
        multiple = self.options.size_multiple
        width, height = (max(s // multiple, 1) * multiple for s in self.preprocessing.network_size(image_size))
        return width, height

    def match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        """Match two images.

        Args:
            image0, image1: (3, H, W) RGB, or (1, H, W) grey where ``preprocessing`` says so; float32 in [0, 1]. Sizes
                may differ.

        Returns:
            Matches in pixels of the given images, on the CPU; none where an image has a single colour.

        Raises:
            InputError: images that the model cannot process.
            TypeError: the model returned something else.
        """
        if any(bool((image == image[:, :1, :1]).all()) for image in (image0, image1)):
            return PairMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))
        with torch.inference_mode():
            found = self._match(image0, image1)
        arrays = {k: None if v is None else v.detach().float().cpu() for k, v in vars(found).items()}
        count = len(arrays["scores"])  # type: ignore[arg-type]
        for key, array in arrays.items():
            shape = (count, 2) if key.startswith("keypoints") else (count,)
            if array is not None and array.shape != shape:
                raise TypeError(f"{type(self).__name__} returned {key} of shape {tuple(array.shape)}, expected {shape}")
            if array is not None and not key.startswith("depths") and not bool(torch.isfinite(array).all()):
                raise TypeError(f"{type(self).__name__} returned {key} that are not finite")
        return PairMatches(**arrays)  # type: ignore[arg-type]

    @abstractmethod
    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches: ...

    def tag(self) -> str:
        """A name for files: what decides the matches is in it."""
        size = self.preprocessing.resize_max
        options = options_tag(self, ignored=("preprocessing", "device"))
        return "-".join([self.file_name, *options, "full" if size is None else f"r{size}"])

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self.options).items() if k not in ("preprocessing", "device")}


def match_photos(model: PairModel, photos: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a pair's group, in pixels of the original images.

    Args:
        photos: two images (H, W, 3) uint8 RGB.

    Returns:
        ``keypoints0``, ``keypoints1`` (M, 2), ``scores`` (M,), ``sizes`` (2, 2), and, of models that have depth,
        ``depths0``, ``depths1`` (M,) metres.

    Raises:
        InputError: images that the model cannot process.
    """
    sizes = [(photo.shape[1], photo.shape[0]) for photo in photos]
    images = [prepare_image(p, model.preprocessing, model.network_size(s)) for p, s in zip(photos, sizes, strict=True)]
    found = model.match(*(torch.from_numpy(image) for image in images))
    arrays = {"scores": found.scores.numpy(), "sizes": np.array(sizes)}
    for side, keypoints in enumerate((found.keypoints0, found.keypoints1)):
        network_size = (images[side].shape[2], images[side].shape[1])
        original = to_original_image({"keypoints": keypoints.numpy()}, network_size, sizes[side], as_half=False)
        arrays[f"keypoints{side}"] = original["keypoints"]
    depths = {"depths0": found.depths0, "depths1": found.depths1}
    return arrays | {key: value.numpy() for key, value in depths.items() if value is not None}

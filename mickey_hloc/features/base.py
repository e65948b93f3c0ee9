"""The contract of every local extractor: a batch of images of one size in, the arrays of each image's group out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from mickey_hloc.registry import make_options


class LocalExtractor(ABC):
    """Base of the extractors. A subclass defines ``Options`` (a frozen dataclass with the defaults), the datasets it
    makes, and ``extract``. Weights are loaded when first needed, so that a run with nothing to do loads none.

    Raises:
        InputError: an unknown option; the message lists the known ones.
    """

    Options: ClassVar[type]
    datasets: ClassVar[frozenset[str]]  # what a complete image has, besides keypoints and image_size

    def __init__(self, **options: Any) -> None:
        self.options: Any = make_options(self.Options, options, where=f"extractor {type(self).__name__}")

    @abstractmethod
    def extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        """Features of a batch.

        Args:
            images: (B, 3, H, W) RGB, or (B, 1, H, W) grey where the conf says so; float32 in [0, 1], on the CPU.

        Returns:
            For each image ``keypoints`` (N, 2) pixels of the given image, centre of the top-left pixel = (0, 0), and
            the arrays named in ``datasets``, float32: ``descriptors`` (D, N), ``keypoint_scores`` (N,), ...

        Raises:
            InputError: images of this size cannot be processed.
        """

    def identity(self) -> dict[str, Any]:
        """What decides the numbers: the options, with checksums in the place of files. Plain values."""
        return dict(vars(self.options))

    def attributes(self) -> dict[str, float | str]:
        """What else the features file should say, e.g. constants needed for matching. Plain values."""
        return {}

"""The contracts of the matchers. A subclass defines ``Options``, a frozen dataclass with the defaults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from mickey_hloc.registry import make_options

StoredFeatures = Mapping[str, Tensor]  # every dataset of one image in a features file, float32


class _Matcher(ABC):
    """Weights are loaded when first needed, so that a run with nothing to do loads none.

    Raises:
        InputError: an unknown option; the message lists the known ones.
    """

    Options: ClassVar[type]

    def __init__(self, **options: Any) -> None:
        self.options: Any = make_options(self.Options, options, where=f"matcher {type(self).__name__}")

    def identity(self) -> dict[str, Any]:
        """What decides the matches: the options, with checksums in the place of files. Plain values."""
        return dict(vars(self.options))


class FeatureMatcher(_Matcher):
    """Matches stored features, whoever made them."""

    def prepare(self, attributes: Mapping[str, object]) -> None:
        """Called once before the first pair, with the attributes of the features file."""

    @abstractmethod
    def match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        """Match two images.

        Args:
            features0, features1: ``keypoints`` (N, 2), ``descriptors`` (D, N), ``image_size`` (2,), and whatever else
                the features file has; either image may have no keypoints.

        Returns:
            matches0 (N0,) int64, the index of the partner in image 1 or -1, and matching_scores0 (N0,) in [0, 1].

        Raises:
            InputError: features that this matcher cannot use.
        """


class ImageMatcher(_Matcher):
    """Matches images without keypoints of their own (dense and semi-dense methods)."""

    @abstractmethod
    def match(self, image0: Tensor, image1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Match two images.

        Args:
            image0, image1: (3, H, W) RGB or (1, H, W) grey where the conf says so; float32 in [0, 1]. Sizes may differ.

        Returns:
            keypoints0 (M, 2), keypoints1 (M, 2), pixels of the given images with the centre of the top-left pixel at
            (0, 0), and scores (M,) in [0, 1].
        """

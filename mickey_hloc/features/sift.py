"""RootSIFT by OpenCV: needs no weights, so it works before any are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from torch import Tensor

from mickey_hloc.features.base import Extractor, ExtractorOptions
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.registry import require


@dataclass(frozen=True)
class SiftOptions(ExtractorOptions):
    """Options of SIFT.

    Attributes:
        max_keypoints: maximum number of keypoints; the strongest stay.
        contrast_threshold: OpenCV's; a lower one finds more.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(grayscale=True, resize_max=1600))
    max_keypoints: int = 8192
    contrast_threshold: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_keypoints", self.max_keypoints >= 1, "at least 1")
        require(self, "contrast_threshold", 0 <= self.contrast_threshold < 1, "in [0, 1)")


class SiftExtractor(Extractor):
    """RootSIFT (Arandjelovic and Zisserman, CVPR 2012): descriptors of unit length, 128 values."""

    Options = SiftOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors", "keypoint_scores"})
    default_matcher = "nn-ratio"

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        grey = images.mean(dim=1) if images.shape[1] == 1 else _luma(images)
        return [self._extract_one(np.round(image.numpy() * 255).astype(np.uint8)) for image in grey]

    def _extract_one(self, grey: np.ndarray) -> dict[str, np.ndarray]:
        options: SiftOptions = self.options
        # Without precise upscaling OpenCV's first octave is a quarter of a pixel off: pixel centres are at integers.
        sift = cv2.SIFT_create(  # type: ignore[attr-defined]
            nfeatures=options.max_keypoints,
            contrastThreshold=options.contrast_threshold,
            enable_precise_upscale=True,
        )
        found, descriptors = sift.detectAndCompute(grey, None)
        if not found:
            descriptors = np.zeros((0, 128), dtype=np.float32)
        # OpenCV keeps equal keypoints in no fixed order when it cuts the list: sort, so that a run is reproducible.
        order = sorted(range(len(found)), key=lambda i: (-found[i].response, found[i].pt, found[i].angle))
        found, descriptors = [found[i] for i in order], descriptors[order]
        root = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12))
        return {
            "keypoints": np.array([k.pt for k in found], dtype=np.float32).reshape(-1, 2),
            "descriptors": np.ascontiguousarray(root.T),
            "keypoint_scores": np.array([k.response for k in found], dtype=np.float32),
        }


def _luma(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue

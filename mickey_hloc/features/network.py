"""Extractors around a network of another package: loaded when first used, images one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.features.base import Extractor, ExtractorOptions
from mickey_hloc.weights.on_demand import LoadedOnDemand


@dataclass(frozen=True)
class NetworkOptions(ExtractorOptions):
    """Options of extractors that run a network.

    Attributes:
        device: default: the GPU where there is one.
    """

    device: str | None = None


class NetworkExtractor(LoadedOnDemand, Extractor):
    """Base of extractors whose network another package has. A subclass defines ``_load`` and ``_describe``."""

    Options: ClassVar[type] = NetworkOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors", "keypoint_scores"})

    @abstractmethod
    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        """An image (1, C, H, W) on the device -> keypoints (N, 2), descriptors (N, D), keypoint_scores (N,)."""

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        model, found = self.model, []
        del model  # what is missing shows here, outside of what a network may raise on an image
        for image in images:
            with torch.inference_mode():
                arrays = self._describe(image[None].to(self.device))
            of_image = {key: value.detach().float().cpu() for key, value in arrays.items()}
            of_image["descriptors"] = of_image["descriptors"].T
            found.append({key: np.ascontiguousarray(value.numpy()) for key, value in of_image.items()})
        return found

"""COLMAP's own features through pycolmap: SIFT, and ALIKED where pycolmap was built with ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.image_batches import Preprocessing


@dataclass(frozen=True)
class ColmapOptions(NetworkOptions):
    """Options of COLMAP's features.

    Attributes:
        type: of ``pycolmap.FeatureExtractorType``.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1600))
    type: Literal["SIFT", "ALIKED_N16ROT", "ALIKED_N32"] = "SIFT"


class ColmapExtractor(NetworkExtractor):
    """COLMAP's keypoints and descriptors of unit length; it tells no scores."""

    Options = ColmapOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors"})
    install = "pip install pycolmap"
    licence = "code BSD-3-Clause; ALIKED's weights BSD-3-Clause"

    @property
    def default_matcher(self) -> str:  # type: ignore[override]
        return "nn-ratio" if self.options.type == "SIFT" else "nn-mutual"

    def _load(self) -> Any:
        import pycolmap

        options = pycolmap.FeatureExtractionOptions()
        options.type = getattr(pycolmap.FeatureExtractorType, self.options.type)
        options.num_threads = 1  # more of them change the order of the keypoints
        device = pycolmap.Device.cuda if self.device.type == "cuda" and pycolmap.has_cuda else pycolmap.Device.cpu
        try:
            return pycolmap.FeatureExtractor.create(options, device)
        except RuntimeError as error:
            if "ONNX" not in str(error):
                raise
            raise MissingDependencyError(
                f"The feature {self.name} needs a pycolmap that was built with ONNX, as the one on PyPI is not: build "
                "COLMAP with -DONNX_ENABLED=ON, or take scm-aliked-n16rot or scm-aliked-n32."
            ) from error

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        pixels = np.ascontiguousarray(image[0].cpu().permute(1, 2, 0).numpy(), dtype=np.float32)
        if self.options.type == "SIFT":
            pixels = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        keypoints, descriptors = self.model.extract_from_float32_array(pixels)
        is_sift = self.options.type == "SIFT"
        values = np.asarray(descriptors.data if is_sift else descriptors.to_float().data, dtype=np.float32)
        # COLMAP has the centre of the top-left pixel at (0.5, 0.5)
        found = np.array([[point.x, point.y] for point in keypoints], dtype=np.float32).reshape(-1, 2) - 0.5
        values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
        return {"keypoints": torch.from_numpy(found), "descriptors": torch.from_numpy(values)}

"""Keypoint detectors of the transformers library (``AutoModelForKeypointDetection``), such as SuperPoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.features.network import NetworkExtractor, NetworkOptions
from mickey_hloc.io.checksum import folder_checksum
from mickey_hloc.io.image_batches import Preprocessing

CELL_PX = 8  # SuperPoint's; a smaller image has no cell


@dataclass(frozen=True)
class TransformersFeatureOptions(NetworkOptions):
    """Options of transformers' keypoint detectors.

    Attributes:
        preprocessing: the library's own processor squeezes every image into 640 x 480; here the aspect ratio stays.
        model: folder or id on the hub.
        revision: of the hub; None: the newest.
        max_keypoints: maximum number of keypoints; the strongest stay. None: all.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    model: str = "magic-leap-community/superpoint"
    revision: str | None = None
    max_keypoints: int | None = 2048


class TransformersExtractor(NetworkExtractor):
    """Keypoints, descriptors and scores as the model gives them."""

    Options = TransformersFeatureOptions
    default_matcher = "nn-mutual"
    install = "pip install 'mickey-hloc[depth]'"
    licence = "code Apache-2.0; SuperPoint's weights non-commercial (Magic Leap)"

    def identity(self) -> dict[str, Any]:
        """Options; a model in a folder by the checksum of its files."""
        folder = Path(self.options.model)
        return super().identity() | ({"model": folder_checksum(folder)} if folder.is_dir() else {})

    def _load(self) -> Any:
        from transformers import AutoModelForKeypointDetection

        o: TransformersFeatureOptions = self.options
        return AutoModelForKeypointDetection.from_pretrained(o.model, revision=o.revision or "main")

    def _describe(self, image: Tensor) -> Mapping[str, Tensor]:
        height, width = image.shape[2:]
        # Whole cells, so that no pixel is left out; what is found on the added border is dropped.
        padded = F.pad(image, (0, -width % CELL_PX, 0, -height % CELL_PX), mode="replicate")
        found = self.model(pixel_values=padded)
        size = torch.tensor([padded.shape[3], padded.shape[2]], device=image.device)
        kept = found.mask[0].bool()
        arrays = {
            "keypoints": found.keypoints[0][kept] * size,
            "descriptors": found.descriptors[0][kept],
            "keypoint_scores": found.scores[0][kept],
        }
        inside = (arrays["keypoints"] <= torch.tensor([width - 1, height - 1], device=image.device)).all(dim=-1)
        order = arrays["keypoint_scores"][inside].argsort(descending=True, stable=True)[: self.options.max_keypoints]
        return {key: value[inside][order] for key, value in arrays.items()}

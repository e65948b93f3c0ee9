"""Matchers of the transformers library (``AutoModelForKeypointMatching``): SuperGlue, LightGlue, EfficientLoFTR."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.io.checksum import folder_checksum
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import require
from mickey_hloc.weights.on_demand import LoadedOnDemand

CELL_PX = 32  # a multiple of every model's cell


@dataclass(frozen=True)
class TransformersMatcherOptions(PairModelOptions):
    """Options of transformers' matchers.

    Attributes:
        preprocessing: the library's own processor squeezes both images into 640 x 480; here the aspect ratio stays.
        model: folder or id on the hub.
        revision: of the hub; None: the newest.
        min_score: matches with a smaller score are left out.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    model: str = "ETH-CVG/lightglue_superpoint"
    revision: str | None = None
    min_score: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_score", 0 <= self.min_score < 1, "in [0, 1)")


class TransformersPairModel(LoadedOnDemand, PairModel):
    """Both images are padded to one size, as the models take a pair as one tensor; matches on the padding are dropped.

    The library's post-processing rounds keypoints to whole pixels; here they stay as the model gives them.
    """

    Options = TransformersMatcherOptions
    options: TransformersMatcherOptions
    install = "pip install 'mickey-hloc[depth]'"
    licence = "code Apache-2.0; weights: SuperPoint and SuperGlue non-commercial (Magic Leap), others Apache-2.0"

    def identity(self) -> dict[str, Any]:
        """Options; a model in a folder by the checksum of its files."""
        folder = Path(self.options.model)
        return super().identity() | ({"model": folder_checksum(folder)} if folder.is_dir() else {})

    def _load(self) -> Any:
        from transformers import AutoModelForKeypointMatching

        o: TransformersMatcherOptions = self.options
        return AutoModelForKeypointMatching.from_pretrained(o.model, revision=o.revision or "main")

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        model, images = self.model, (image0, image1)
        height, width = (-(-max(image.shape[axis] for image in images) // CELL_PX) * CELL_PX for axis in (1, 2))
        padded = [F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in images]
        found = model(pixel_values=torch.stack(padded)[None].to(self.device))
        matches, scores, keypoints = found.matches[0], found.matching_scores[0, 0], found.keypoints[0]
        keypoints = keypoints * torch.tensor([width, height], device=keypoints.device)
        if hasattr(found, "mask") and found.mask is not None:  # sparse: partners by index
            partner = matches[0].long()
            kept = (found.mask[0, 0] > 0) & (partner >= 0)
            keypoints0, keypoints1 = keypoints[0][kept], keypoints[1][partner[kept]]
        else:  # dense: row by row
            kept = (matches > -1).all(dim=0)
            keypoints0, keypoints1 = keypoints[0][kept], keypoints[1][kept]
        scores = scores[kept]
        inside = scores > self.options.min_score
        for points, image in ((keypoints0, image0), (keypoints1, image1)):
            limit = torch.tensor([image.shape[2] - 0.5, image.shape[1] - 0.5], device=points.device)
            inside &= ((points >= -0.5) & (points <= limit)).all(dim=-1)
        return PairMatches(keypoints0[inside], keypoints1[inside], scores[inside].clamp(0, 1))

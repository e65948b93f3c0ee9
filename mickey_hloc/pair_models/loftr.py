"""LoFTR (Sun et al., CVPR 2021) of kornia: the network is here, its weights are downloaded at first use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.weights.on_demand import LoadedOnDemand


@dataclass(frozen=True)
class LoftrOptions(PairModelOptions):
    """Options of LoFTR.

    Attributes:
        weights: "outdoor" (MegaDepth), "indoor" and "indoor_new" (ScanNet).
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(grayscale=True, resize_max=1024))
    size_multiple: int = 8
    weights: Literal["outdoor", "indoor", "indoor_new"] = "outdoor"


class LoftrPairModel(LoadedOnDemand, PairModel):
    """Correspondences as the network gives them; nothing is rounded."""

    Options = LoftrOptions
    options: LoftrOptions
    install = "pip install kornia"
    licence = "code and weights Apache-2.0"

    def _load(self) -> Any:
        from kornia.feature import LoFTR

        return LoFTR(pretrained=self.options.weights)

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        found = self.model({"image0": image0[None].to(self.device), "image1": image1[None].to(self.device)})
        return PairMatches(found["keypoints0"], found["keypoints1"], found["confidence"])

"""VGGT (Wang et al., CVPR 2025): the pose of two images up to scale; metres come from a depth source.

As published: the longer side 518 px, sides multiples of 14, images of two sizes padded around with white. K is not
given to the network, which has no input for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.posed import PosedOptions, PosedPairModel, Prediction, centred, relative


@dataclass(frozen=True)
class VggtOptions(PosedOptions):
    """Options of VGGT.

    Attributes:
        weights: id on the hub; "facebook/VGGT-1B-Commercial" has another licence and has to be asked for.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=518, resize_force=True))
    size_multiple: int = 14
    weights: str = "facebook/VGGT-1B"


class VggtPairModel(PosedPairModel):
    """The pose, without a scale."""

    Options = VggtOptions
    options: VggtOptions
    install = "pip install git+https://github.com/facebookresearch/vggt"
    licence = "code: Meta's own; weights VGGT-1B CC BY-NC 4.0, non-commercial"

    def _load(self) -> Any:
        from vggt.models.vggt import VGGT

        return VGGT.from_pretrained(self.options.weights)

    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        model = self.model
        from vggt.utils.pose_enc import pose_encoding_to_extri_intri

        padded, _ = centred((image0, image1), 1.0)
        found = model(padded[None].to(self.device))
        extrinsics, _ = pose_encoding_to_extri_intri(found["pose_enc"], tuple(padded.shape[2:]))
        return Prediction(PredictedPose(relative(*extrinsics[0]), is_metric=False))

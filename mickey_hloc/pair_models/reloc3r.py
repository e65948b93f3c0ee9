"""Reloc3r (Dong et al., CVPR 2025): the regressed pose of two images up to scale; metres come from a depth source.

As published: the longer side 512 px, sides multiples of 16, values in [-1, 1]. K is not given to the network, which
has no input for it; its authors resize to the aspect ratios of the training, here the image's own stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.posed import PosedOptions, PosedPairModel, Prediction


@dataclass(frozen=True)
class Reloc3rOptions(PosedOptions):
    """Options of Reloc3r.

    Attributes:
        weights: id on the hub.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=512, resize_force=True))
    size_multiple: int = 16
    weights: str = "siyan824/reloc3r-512"


class Reloc3rPairModel(PosedPairModel):
    """The pose, without a scale."""

    Options = Reloc3rOptions
    options: Reloc3rOptions
    install = (
        "git clone --recursive https://github.com/ffrivera0/reloc3r, pip install -r its requirements.txt, and put the "
        "folder on PYTHONPATH"
    )
    licence = "code and weights CC BY-NC-SA 4.0, non-commercial"

    def _load(self) -> Any:
        from reloc3r.reloc3r_relpose import Reloc3rRelpose

        return Reloc3rRelpose.from_pretrained(self.options.weights)

    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        model = self.model
        from reloc3r.reloc3r_relpose import inference_relpose

        views = [
            {"img": image[None] * 2 - 1, "true_shape": torch.tensor([image.shape[1:]], device=self.device)}
            for image in (image0, image1)
        ]
        cam0_from_cam1 = inference_relpose(views, model, self.device)[0]
        found = PredictedPose(cam0_from_cam1[:3].double().cpu().numpy(), is_metric=False)
        return Prediction(found.inverse())

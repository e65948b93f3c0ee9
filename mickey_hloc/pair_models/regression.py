"""Relative-pose regression trained by ``mickey-hloc train`` with ``task: regression``: the metric pose, no depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.checksum import sha256
from mickey_hloc.model.regression import PoseRegressor
from mickey_hloc.pair_models.posed import PosedOptions, PosedPairModel, Prediction
from mickey_hloc.weights.named import resolve
from mickey_hloc.weights.regression import load_regression


@dataclass(frozen=True)
class RegressionPairOptions(PosedOptions):
    """Options of ``regression``.

    Attributes:
        weights: file of a trained network, or hf:owner/name.
    """

    weights: str = ""


class RegressionPairModel(PosedPairModel):
    """Images are resized to the size of the training, whatever their shape; the network is not told K."""

    Options = RegressionPairOptions
    options: RegressionPairOptions
    install = "pip install mickey-hloc"
    licence = "code Apache-2.0; weights as trained"

    def identity(self) -> dict[str, Any]:
        """Options; the weights by their checksum."""
        weights = {"weights": sha256(resolve(self.options.weights))} if self.options.weights else {}
        return super().identity() | weights

    def _load(self) -> PoseRegressor:
        if not self.options.weights:
            raise InputError("The pair model regression needs the option weights: the file of a trained network.")
        return load_regression(self.options.weights)

    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        model: PoseRegressor = self.model
        width, height = model.options.size_wh
        resized = [
            torch.nn.functional.interpolate(
                image[None].to(self.device), (height, width), mode="bilinear", antialias=True, align_corners=False
            )
            for image in (image0, image1)
        ]
        R, t = (value[0].double().cpu() for value in model(*resized))
        return Prediction(PredictedPose(torch.cat([R, t[:, None]], dim=1).numpy()))

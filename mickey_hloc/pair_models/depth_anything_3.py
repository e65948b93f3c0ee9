"""Depth Anything 3 (Lin et al., 2025), the nested model: metric depth and the pose of two images.

As published: the longer side 504 px, sides multiples of 14. The package crops images of two sizes to the smaller one;
here they are padded around with black instead. The network's metres are focal x output / 300 with the focal length that
it predicts itself; the known one takes its place: depth and translation are multiplied by f / f_predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.posed import PosedOptions, PosedPairModel, Prediction, centred, cropped, relative


@dataclass(frozen=True)
class DepthAnything3Options(PosedOptions):
    """Options of Depth Anything 3.

    Attributes:
        weights: id on the hub or a folder; its output has to be in metres ("nested").
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=504, resize_force=True))
    size_multiple: int = 14
    weights: str = "depth-anything/DA3NESTED-GIANT-LARGE"


class DepthAnything3PairModel(PosedPairModel):
    """Metric depth of both images and the metric pose."""

    Options = DepthAnything3Options
    options: DepthAnything3Options
    has_depth = True
    install = (
        "pip install depth-anything-3, which takes numpy below 2 and a second OpenCV: in an environment of its own"
    )
    licence = "code Apache-2.0; the nested weights CC BY-NC 4.0, non-commercial"

    def _load(self) -> Any:
        from depth_anything_3.api import DepthAnything3

        return DepthAnything3.from_pretrained(self.options.weights)

    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        images = (image0, image1)
        padded, begins = centred(images, 0.0)
        pixels = [(image * 255).round().byte().permute(1, 2, 0).numpy() for image in padded]
        found = self.model.inference(pixels, process_res=max(padded.shape[2:]), process_res_method="upper_bound_resize")
        focal = np.mean([[float(K[0, 0]), float(K[1, 1])] for K in (K0, K1)])
        predicted = np.mean([[K[0, 0], K[1, 1]] for K in found.intrinsics])
        scale = float(focal / predicted)
        depths = cropped(torch.as_tensor(np.asarray(found.depth)).float() * scale, begins, images)
        pose = relative(*(torch.as_tensor(np.asarray(e)) for e in found.extrinsics))
        pose[:, 3] *= scale
        return Prediction(PredictedPose(pose), (depths[0], depths[1]))

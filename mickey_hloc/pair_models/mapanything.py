"""MapAnything (Keetha et al., 2025), the Apache-2.0 variant: metric depth and poses of images with known intrinsics.

Its own ``preprocess_inputs`` resizes and crops both images to one size that fits both (518 px) and K with them; what it
says of the cropped pixels is put back by the same K. Masked pixels (sky, edges of depth) have no depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.posed import PosedOptions, PosedPairModel, Prediction, relative


@dataclass(frozen=True)
class MapAnythingOptions(PosedOptions):
    """Options of MapAnything.

    Attributes:
        preprocessing: the package resizes by itself.
        weights: id on the hub; "facebook/map-anything" is non-commercial.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    weights: str = "facebook/map-anything-apache"


class MapAnythingPairModel(PosedPairModel):
    """Metric depth of both images and the metric pose."""

    Options = MapAnythingOptions
    options: MapAnythingOptions
    has_depth = True
    install = "pip install git+https://github.com/facebookresearch/map-anything"
    licence = "code and these weights Apache-2.0"

    def _load(self) -> Any:
        from mapanything.models import MapAnything

        return MapAnything.from_pretrained(self.options.weights)

    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        model = self.model
        from mapanything.utils.image import preprocess_inputs

        given = [
            {"img": (image * 255).round().byte().permute(1, 2, 0).numpy(), "intrinsics": K.numpy()}
            for image, K in ((image0, K0), (image1, K1))
        ]
        views = preprocess_inputs(given)
        found = model.infer(
            views,
            memory_efficient_inference=False,
            use_amp=self.device.type == "cuda",
            apply_mask=True,
            mask_edges=True,
            apply_confidence_mask=False,
        )
        pose0, pose1 = (torch.linalg.inv(view["camera_poses"][0].double().cpu()) for view in found)
        depths = [
            uncropped(_known(answer), view["intrinsics"][0].float().cpu(), K, (image.shape[2], image.shape[1]))
            for answer, view, K, image in zip(found, views, (K0, K1), (image0, image1), strict=True)
        ]
        return Prediction(PredictedPose(relative(pose0, pose1)), (depths[0], depths[1]))


def _known(answer: dict[str, Tensor]) -> Tensor:
    """(H, W) metres, NaN where masked."""
    depth = answer["depth_z"][0, ..., 0].float().cpu()
    mask = answer.get("mask")
    return depth if mask is None else depth.masked_fill(~mask[0, ..., 0].bool().cpu(), torch.nan)


def uncropped(depth_map: Tensor, K_map: Tensor, K: Tensor, size: tuple[int, int]) -> Tensor:
    """A depth map (h, w) of intrinsics K_map read at the pixels of an image of intrinsics K: (H, W), NaN outside."""
    x, y = torch.meshgrid(torch.arange(size[0]).float(), torch.arange(size[1]).float(), indexing="xy")
    rays = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1]], dim=-1)
    pixels = rays * torch.stack([K_map[0, 0], K_map[1, 1]]) + K_map[:2, 2]
    height, width = depth_map.shape
    grid = (pixels + 0.5) / torch.tensor([width, height]) * 2 - 1
    found = F.grid_sample(depth_map[None, None], grid[None], padding_mode="border", align_corners=False)[0, 0]
    half_px = 0.5 + 1e-3
    limit = torch.tensor([width, height]) - 1 + half_px
    return found.masked_fill(~((pixels >= -half_px) & (pixels <= limit)).all(dim=-1), torch.nan)

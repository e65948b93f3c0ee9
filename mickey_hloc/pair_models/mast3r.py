"""MASt3R (Leroy et al., ECCV 2024): metric points of both images, matches by descriptors, and the pose they imply.

As published: the longer side 512 px, sides multiples of 16, values in [-1, 1]; reciprocal nearest neighbours of the
descriptors from every 8th pixel, 3 px off the border. Depth of each image is that of its points when it is the first
of the pair, so the network runs twice. The pose aligns both predictions of view 1's points, weighted by confidence;
published results use PnP on the same points. K is not given to the network, which has no input for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry import kabsch
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import require
from mickey_hloc.weights.on_demand import LoadedOnDemand

_BORDER_PX = 3
_ROUNDS = 10  # of reweighting
_TINY_M = 1e-4


@dataclass(frozen=True)
class Mast3rOptions(PairModelOptions):
    """Options of MASt3R.

    Attributes:
        preprocessing: images are resized to 512 px, also smaller ones, as published.
        weights: id on the hub, or a file that you trust: the package unpickles files.
        grid_px: matching starts from every so many pixels.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=512, resize_force=True))
    size_multiple: int = 16
    weights: str = "naver/MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric"
    grid_px: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "grid_px", self.grid_px >= 1, "at least 1")


class Mast3rPairModel(LoadedOnDemand, PairModel):
    """Matches with metric depth in both images, and the pose."""

    Options = Mast3rOptions
    options: Mast3rOptions
    has_depth = True
    predicts_pose = True
    install = (
        "git clone --recursive https://github.com/naver/mast3r, pip install -r its requirements.txt and those of "
        "dust3r, and put the folder on PYTHONPATH"
    )
    licence = "code and weights CC BY-NC-SA 4.0, non-commercial"

    def _load(self) -> Any:
        from mast3r.model import AsymmetricMASt3R

        return AsymmetricMASt3R.from_pretrained(self.options.weights)

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        first, second = self._infer(image0, image1), self._infer(image1, image0)
        points0, points1 = (found["pred1"]["pts3d"][0].float().cpu() for found in (first, second))
        keypoints0, keypoints1 = self._reciprocal(first, image0, image1)
        rows = [(k[:, 1].long(), k[:, 0].long()) for k in (keypoints0, keypoints1)]
        shares = [
            _share(first["pred1"]["desc_conf"][0])[rows[0]],
            _share(first["pred2"]["desc_conf"][0])[rows[1]],
        ]
        return PairMatches(
            keypoints0.float(),
            keypoints1.float(),
            torch.minimum(*shares),
            points0[..., 2][rows[0]],
            points1[..., 2][rows[1]],
            _pose(points1, second["pred1"]["conf"][0], first["pred2"]),
        )

    def _infer(self, image0: Tensor, image1: Tensor) -> dict[str, Any]:
        """What the network says of a pair: view1, pred1, view2, pred2; points in the frame of the first image."""
        model = self.model  # with the path to dust3r in it
        from dust3r.inference import inference

        views = tuple(
            {
                "img": image[None] * 2 - 1,
                "true_shape": np.array([image.shape[1:]], dtype=np.int32),
                "idx": side,
                "instance": str(side),
            }
            for side, image in enumerate((image0, image1))
        )
        found: dict[str, Any] = inference([views], model, self.device, batch_size=1, verbose=False)
        return found

    def _reciprocal(self, found: dict[str, Any], image0: Tensor, image1: Tensor) -> tuple[Tensor, Tensor]:
        """Matched pixels (M, 2) of both images, those near the border left out."""
        from mast3r.fast_nn import fast_reciprocal_NNs

        descriptors = (found[key]["desc"].squeeze(0).detach() for key in ("pred1", "pred2"))
        matched = fast_reciprocal_NNs(
            *descriptors,
            subsample_or_initxy1=self.options.grid_px,
            device=str(self.device),
            dist="dot",
            block_size=2**13,
        )
        pixels = [torch.as_tensor(np.asarray(xy)).reshape(-1, 2) for xy in matched]
        kept = torch.ones(len(pixels[0]), dtype=torch.bool)
        for xy, image in zip(pixels, (image0, image1), strict=True):
            limit = torch.tensor([image.shape[2], image.shape[1]]) - _BORDER_PX
            kept &= ((xy >= _BORDER_PX) & (xy < limit)).all(dim=-1)
        return pixels[0][kept], pixels[1][kept]


def _share(confidence: Tensor) -> Tensor:
    """A confidence in [1, inf) as a score in (0, 1)."""
    return (1 - 1 / confidence.float().cpu().clamp(min=1)).clamp(min=0.01)


def _pose(points1: Tensor, confidence1: Tensor, seen_from_0: dict[str, Tensor]) -> PredictedPose | None:
    """cam1_from_cam0 that takes view 1's points as view 0 has them to those as view 1 has them, both (H, W, 3)."""
    X = seen_from_0["pts3d_in_other_view"][0].double().cpu().reshape(-1, 3)
    Y = points1.double().reshape(-1, 3)
    weights = (_share(confidence1) * _share(seen_from_0["conf"][0])).double().reshape(-1)
    weights = weights * (torch.isfinite(X) & torch.isfinite(Y)).all(dim=-1)
    X, Y = (torch.nan_to_num(points, 0.0, 0.0, 0.0) for points in (X, Y))
    if float(weights.sum()) <= 0:
        return None
    robust = weights
    for _ in range(_ROUNDS):  # weights over distances: the sum of distances, which wrong points do not dominate
        R, t = kabsch(X, Y, robust)
        distances = torch.linalg.vector_norm(X @ R.mT + t - Y, dim=-1)
        robust = weights / distances.clamp(min=_TINY_M)
    pose = torch.cat([R, t[:, None]], dim=1).numpy()
    return PredictedPose(pose, confidence=float(weights.mean())) if np.isfinite(pose).all() else None

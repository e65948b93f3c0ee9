"""Pair models that predict the pose, and where they can depth, of two images; matches speak for it from outside.

The matches are those of a feature and its matcher, not of the prediction itself: they are independent evidence, and
the depths at them let every solver estimate the pose anew.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.features import EXTRACTORS, Extractor
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.matching import MATCHERS, Matcher
from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.weights.on_demand import LoadedOnDemand

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class PosedOptions(PairModelOptions):
    """Options of pair models that predict the pose.

    Attributes:
        feature: whose matches speak for the pose, and have the depths.
        matcher: of them. Default: what suits the feature.
    """

    feature: str = "sift"
    matcher: str | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of two images.

    Attributes:
        pose: None where it gives up.
        depths: (H, W) metres of each image as given to ``_predict``, of models that have metric depth; NaN: unknown.
    """

    pose: PredictedPose | None
    depths: tuple[Tensor, Tensor] | None = None


class PosedPairModel(LoadedOnDemand, PairModel):
    """Base: a subclass defines ``_load`` and ``_predict``."""

    Options = PosedOptions
    options: PosedOptions
    uses_cameras = True
    predicts_pose = True

    @cached_property
    def feature(self) -> Extractor:
        """Finds the keypoints."""
        return EXTRACTORS.create(self.options.feature)

    @cached_property
    def matcher(self) -> Matcher:
        """Matches them."""
        matcher = MATCHERS.create(self.options.matcher or self.feature.default_matcher or "nn-mutual")
        matcher.prepare(self.feature.attributes())
        return matcher

    @abstractmethod
    def _predict(self, image0: Tensor, image1: Tensor, K0: Tensor, K1: Tensor) -> Prediction:
        """Images (3, H, W) in [0, 1] and (3, 3) intrinsics of them -> the network's answer, in the same pixels."""

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        raise NotImplementedError  # ``match`` asks for cameras before

    def _match_views(self, image0: Tensor, image1: Tensor, K0: Tensor | None, K1: Tensor | None) -> PairMatches:
        assert K0 is not None
        assert K1 is not None
        found = self._predict(image0, image1, K0.float(), K1.float())
        keypoints, scores = self._matches((image0, image1))
        depths = (None, None)
        if found.depths is not None:
            depths = tuple(sample(d, k) for d, k in zip(found.depths, keypoints, strict=True))  # type: ignore[assignment]
        return PairMatches(*keypoints, scores, *depths, pose=found.pose)

    def _matches(self, images: Sequence[Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Matched keypoints (M, 2) of both images, and scores (M,)."""
        features = []
        for image in images:
            grey = (image * torch.tensor(_LUMA)[:, None, None]).sum(dim=0, keepdim=True)
            [arrays] = self.feature.extract((grey if self.feature.preprocessing.grayscale else image)[None])
            size = np.array([image.shape[2], image.shape[1]], dtype=np.float32)
            features.append({key: torch.from_numpy(np.asarray(v)) for key, v in {**arrays, "image_size": size}.items()})
        partners, scores = self.matcher.match(*features)
        kept = partners >= 0
        keypoints = features[0]["keypoints"][kept], features[1]["keypoints"][partners[kept]]
        return keypoints, scores[kept]


def sample(depth_map: Tensor, keypoints: Tensor) -> Tensor:
    """Bilinear depth at keypoints: (H, W) metres, (N, 2) pixels -> (N,) metres; NaN beside what is unknown."""
    if len(keypoints) == 0:
        return torch.zeros(0)
    height, width = depth_map.shape
    grid = (keypoints + 0.5) / torch.tensor([width, height]) * 2 - 1
    values = depth_map.detach().float().cpu()[None, None]
    return F.grid_sample(values, grid[None, None].float(), padding_mode="border", align_corners=False)[0, 0, 0]


def centred(images: Sequence[Tensor], value: float) -> tuple[Tensor, list[tuple[int, int]]]:
    """Images (3, H, W) padded around to one size, (2, 3, H, W), and where (x, y) each begins in it."""
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    begins = [((width - image.shape[2]) // 2, (height - image.shape[1]) // 2) for image in images]
    padded = [
        F.pad(i, (x, width - i.shape[2] - x, y, height - i.shape[1] - y), value=value)
        for i, (x, y) in zip(images, begins, strict=True)
    ]
    return torch.stack(padded), begins


def cropped(maps: Tensor, begins: Sequence[tuple[int, int]], images: Sequence[Tensor]) -> list[Tensor]:
    """Maps (2, H, W) of padded images -> those of the images themselves."""
    return [m[y : y + i.shape[1], x : x + i.shape[2]] for m, (x, y), i in zip(maps, begins, images, strict=True)]


def relative(cam0_from_world: Tensor, cam1_from_world: Tensor) -> np.ndarray:
    """cam1_from_cam0 (3, 4) float64 of two poses (3, 4) or (4, 4)."""
    (R0, t0), (R1, t1) = (
        (pose[:3, :3].double().cpu().numpy(), pose[:3, 3].double().cpu().numpy())
        for pose in (cam0_from_world, cam1_from_world)
    )
    R = R1 @ R0.T
    return np.concatenate([R, (t1 - R @ t0)[:, None]], axis=1)

"""Depth predicted by networks of other packages that use the camera: ``da3:``, ``moge:``, ``unidepth:``, ``metric3d:``.

Each predicts metres of an image whose intrinsics are known. K comes from ``cameras``, or from the option ``focal_px``
with the principal point in the middle of the image.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.depth.dense import DenseDepthSource, DenseOptions, require_positive
from mickey_hloc.io.images import ExifTurn, read_image, read_image_size
from mickey_hloc.weights.on_demand import LoadedOnDemand


@dataclass(frozen=True)
class PredictedDepthOptions(DenseOptions):
    """Options of predicted depth.

    Attributes:
        focal_px: of every image, pixels, where no cameras are given.
        device: default: the GPU where there is one.
        exif_turn: what happens to a photo that its EXIF orientation turns: "refuse" it, or "ignore" the orientation
            and predict from the pixels as stored.
    """

    focal_px: float | None = None
    device: str | None = None
    exif_turn: ExifTurn = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.focal_px is not None:
            require_positive(self, "focal_px")


class PredictedDepth(LoadedOnDemand, DenseDepthSource):
    """Base: a subclass defines ``_load`` and ``_predict``. Weights are loaded when they are first needed.

    Attributes:
        default_model: where the spec has no argument.

    Raises:
        InputError: neither cameras nor ``focal_px`` tell the focal length of an image.
        MissingDependencyError: the package is not installed; the message has licence and install line.
    """

    Options: ClassVar[type] = PredictedDepthOptions
    options: PredictedDepthOptions
    costly = True
    uses_cameras = True
    without_effect = frozenset({"remember", "device", "exif_turn"})
    default_model: ClassVar[str]

    def __init__(
        self, argument: str = "", /, image_dir: Path | None = None, features: Path | None = None, **options: Any
    ) -> None:
        super().__init__(argument or self.default_model, image_dir=image_dir, features=features, **options)
        self._of_K: dict[str, np.ndarray] = {}

    @property
    def _title(self) -> str:
        return self.spec

    @abstractmethod
    def _predict(self, image: np.ndarray, K: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 RGB and (3, 3) intrinsics -> (h, w) metres, of any resolution of the same shape."""

    def _get(self, image_name: str) -> tuple[Tensor, tuple[int, int]]:
        """As of every dense source; a map is of the intrinsics that it was predicted with."""
        size = read_image_size(self.image_path(image_name))
        K = self._intrinsics(image_name, size)
        if not np.array_equal(self._of_K.get(image_name, K), K):
            self._maps.pop(image_name, None)
        self._of_K[image_name] = K
        return super()._get(image_name)

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        K = self._intrinsics(image_name, image_size)
        image = read_image(self.image_path(image_name), self.options.exif_turn)
        _ = self.model  # what is wrong with it is no fault of the image
        with torch.inference_mode():
            found = self._predict(image, K)
        return found.detach().float().cpu().clone()

    def _intrinsics(self, image_name: str, size: tuple[int, int]) -> np.ndarray:
        if self.cameras is not None:
            return np.asarray(self.cameras.get(image_name, size).intrinsics.K, dtype=np.float64)
        focal = self.options.focal_px
        if focal is None:
            raise self._needs("the focal length of every image: give intrinsics, or the option focal_px")
        return np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]])


class DepthAnything3Depth(PredictedDepth):
    """``da3[:<hub id>]``: metres = focal length x output / 300, with the focal length of the network's image."""

    default_model = "depth-anything/DA3METRIC-LARGE"
    install = (
        "pip install depth-anything-3, which takes numpy below 2 and a second OpenCV: in an environment of its own"
    )
    licence = "code and these weights Apache-2.0"

    def _load(self) -> Any:
        from depth_anything_3.api import DepthAnything3

        return DepthAnything3.from_pretrained(self.argument)

    def _predict(self, image: np.ndarray, K: np.ndarray) -> Tensor:
        side_px, multiple = 504, 14  # as published: the longer side, and what both sides are multiples of
        scale = side_px / max(image.shape[:2])
        size = [max(round(side * scale / multiple), 1) * multiple for side in image.shape[:2]]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        resized = pixels[0].round().byte().permute(1, 2, 0).numpy()
        found = self.model.inference([resized], process_res=max(size), process_res_method="upper_bound_resize")
        focal = (K[0, 0] * size[1] / image.shape[1] + K[1, 1] * size[0] / image.shape[0]) / 2
        return torch.as_tensor(np.asarray(found.depth)[0]).float() * float(focal) / 300


class MogeDepth(PredictedDepth):
    """``moge[:<hub id>]``: MoGe-2, told the horizontal field of view; where its mask says no, depth is unknown."""

    default_model = "Ruicheng/moge-2-vitl-normal"
    install = "pip install git+https://github.com/microsoft/MoGe"
    licence = "code and weights MIT; DINOv2 in it Apache-2.0"

    def _load(self) -> Any:
        from moge.model.v2 import MoGeModel

        return MoGeModel.from_pretrained(self.argument)

    def _predict(self, image: np.ndarray, K: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float().to(self.device) / 255
        fov_x_deg = float(np.rad2deg(2 * np.arctan(image.shape[1] / 2 / K[0, 0])))
        found: Tensor = self.model.infer(pixels, fov_x=fov_x_deg, use_fp16=self.device.type == "cuda")["depth"]
        return found


class UniDepthDepth(PredictedDepth):
    """``unidepth[:<hub id>]``: UniDepth V2, told K."""

    default_model = "lpiccinelli/unidepth-v2-vitl14"
    install = "pip install git+https://github.com/lpiccinelli-eth/UniDepth"
    licence = "code and weights CC BY-NC 4.0, non-commercial"

    def _load(self) -> Any:
        from unidepth.models import UniDepthV2

        return UniDepthV2.from_pretrained(self.argument)

    def _predict(self, image: np.ndarray, K: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        found: Tensor = self.model.infer(pixels, torch.from_numpy(K).float()[None])["depth"]
        return found[0, 0]


class Metric3dDepth(PredictedDepth):
    """``metric3d[:<entry>]``: Metric3D v2 of torch's hub; metres = output x focal length of its image / 1000.

    The code of the hub's repository is run: it is fetched at the commit of ``hub`` below.
    """

    default_model = "metric3d_vit_small"
    hub: ClassVar[str] = "yvanyin/metric3d:92732716303ea9828d4814e92c1ac0c36802c511"
    install = "pip install mmengine"
    licence = "code and weights BSD-2-Clause"

    def _load(self) -> Any:
        return torch.hub.load(self.hub, self.argument, pretrain=True, trust_repo=True, skip_validation=True)

    def _predict(self, image: np.ndarray, K: np.ndarray) -> Tensor:
        height, width = 616, 1064  # of its training; the image is resized into it and padded with the mean colour
        mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
        scale = min(height / image.shape[0], width / image.shape[1])
        size = [max(int(side * scale), 1) for side in image.shape[:2]]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False)
        pixels = (pixels - mean[:, None, None]) / std[:, None, None]
        top, left = (height - size[0]) // 2, (width - size[1]) // 2
        pixels = F.pad(pixels, (left, width - size[1] - left, top, height - size[0] - top))
        found = self.model.inference({"input": pixels.to(self.device)})[0]
        found = found.reshape(found.shape[-2:])[top : top + size[0], left : left + size[1]]
        focal = (K[0, 0] * size[1] / image.shape[1] + K[1, 1] * size[0] / image.shape[0]) / 2
        metres: Tensor = found * float(focal) / 1000
        return metres

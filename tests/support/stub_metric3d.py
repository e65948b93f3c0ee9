"""Metric3D's hub entry and network, with their public signatures: a plane at one depth in its canonical camera."""

from typing import Any

import torch
from torch import Tensor, nn

CANONICAL_FOCAL_PX = 1000


class DepthModel(nn.Module):
    """5 m, as it says it of an image of this focal length (pixels, of its input); the padding is no surface."""

    focal_px: float = 1000 / 6

    def inference(self, data: dict[str, Tensor]) -> tuple[Tensor, None, dict[str, Any]]:
        assert data["input"].shape == (1, 3, 616, 1064)
        inside = data["input"][0].abs().sum(dim=0) > 0  # the padding is the mean colour: zeros
        return torch.where(inside, 5.0 * CANONICAL_FOCAL_PX / self.focal_px, -1.0)[None, None], None, {}


def metric3d_vit_small(pretrain=False, **kwargs):
    assert pretrain
    return DepthModel()


MODULES: dict[str, dict[str, Any]] = {
    "hubconf": {"metric3d_vit_small": metric3d_vit_small},
    "mono.model.monodepth_model": {"DepthModel": DepthModel},
}

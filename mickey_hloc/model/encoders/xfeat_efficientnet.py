"""XFeat for matching and EfficientNet-Lite0 for depth: places from one, what is seen there from the other.

XFeat learned to find the same place again; what a thing is, and so how large, it need not know. EfficientNet-Lite0 (Tan
and Le, ICML 2019; the Lite variant without squeeze and excitation) learned to tell what is in a photograph (ImageNet).
Its weights are Apache-2.0: ``mickey_hloc.weights.efficientnet`` finds the file.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.model.encoders.xfeat import XFeatGrid, XFeatOptions, resize

NETWORK = "tf_efficientnet_lite0"  # as timm names it
_LEVELS = (2, 3, 4)  # strides 8, 16 and 32
# Root mean squares of the published weights' levels on photographs, by which they are brought near 1.
_LEVEL_SCALES = (6.8, 5.5, 2.4)


class XFeatEfficientNet(XFeatGrid):
    """Frozen both: (B, 3, H, W) -> (B, 259 + 472, H / 16, W / 16).

    Channels: those of ``XFeatGrid``, which are for matching; then EfficientNet's at stride 8 averaged over the cell, at
    stride 16, and at stride 32.
    """

    Options = XFeatOptions
    stored_in_half = True

    def __init__(self, options: XFeatOptions) -> None:
        super().__init__(options)
        self.scene = create_network()
        info: Any = self.scene.feature_info
        self.matching_channels = self.channels
        self.channels += sum(info.channels())
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        places = super().forward(images)
        with torch.no_grad():
            fine, middle, coarse = self.scene((2.0 * images - 1.0).contiguous(memory_format=torch.channels_last))
            levels = [F.avg_pool2d(fine, 2), middle, resize(coarse, places)]
            scaled = [level / scale for level, scale in zip(levels, _LEVEL_SCALES, strict=True)]
            return torch.cat([places, *scaled], dim=1)


class _StridedConv(nn.Conv2d):
    """TensorFlow's "same" padding for maps with even sides, which needs no choice by size, unlike timm's.

    Maps with odd sides get one more row or column at their end, so that (h, w) becomes (ceil(h / 2), ceil(w / 2)).
    """

    def forward(self, x: Tensor) -> Tensor:
        padding: list[int] = []
        for kernel, stride in zip(reversed(self.kernel_size), reversed(self.stride), strict=True):
            padding += [(kernel - stride) // 2, (kernel - stride + 1) // 2 + stride - 1]
        return super().forward(F.pad(x, padding))


def create_network() -> nn.Module:
    """EfficientNet-Lite0 without its classifier, untrained: a list of its features at strides 8, 16 and 32."""
    import timm
    from timm.layers.conv2d_same import Conv2dSame

    with torch.random.fork_rng(devices=[]):
        network: nn.Module = timm.create_model(NETWORK, pretrained=False, features_only=True, out_indices=_LEVELS)
    for name, module in list(network.named_modules()):
        if isinstance(module, Conv2dSame):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, _like(module))
    return network


def _like(module: nn.Conv2d) -> _StridedConv:
    with torch.random.fork_rng(devices=[]):
        return _StridedConv(
            module.in_channels,
            module.out_channels,
            (module.kernel_size[0], module.kernel_size[1]),
            (module.stride[0], module.stride[1]),
            groups=module.groups,
            bias=module.bias is not None,
        )

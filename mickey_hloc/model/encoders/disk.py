"""DISK features on a grid of 16 px cells: a frozen encoder of 1.1 M parameters that matches well from the start.

Source: Tyszkiewicz et al., "DISK: Learning local features with policy gradient", NeurIPS 2020; network and weights as
in kornia; ``mickey_hloc.weights.disk`` finds the file. Each cell holds the descriptor of its most salient pixel, where
that pixel lies, how salient it is, and the network's coarse features, which see a wide neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.model.encoder import Encoder
from mickey_hloc.registry import CheckedOptions, require

CELL = 16
# The published weights' typical magnitudes, by which the channels are brought near 1.
_COARSE_SCALE, _MIDDLE_SCALE, _HEAT_SCALE = 3.0, 6.0, 50.0


@dataclass(frozen=True)
class DiskOptions(CheckedOptions):
    """Sizes of DISK; the default is the published network.

    Attributes:
        descriptor_channels: width of its dense descriptors.
    """

    descriptor_channels: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "descriptor_channels", self.descriptor_channels >= 1, "1 or more")


class DiskGrid(Encoder):
    """Frozen DISK: (B, 3, H, W) -> (B, 131 + 128, H / 16, W / 16).

    Channels: descriptor of the cell's peak, logit of the peak's place in the cell (x, y), log of the summed heat,
    features at stride 16, features at stride 8 averaged over the cell.
    """

    Options = DiskOptions
    frozen = True

    def __init__(self, options: DiskOptions) -> None:
        from kornia.feature import DISK

        super().__init__(options)
        self.disk = DISK(desc_dim=options.descriptor_channels)
        self.stride = CELL
        self.descriptor_channels = options.descriptor_channels
        self.channels = options.descriptor_channels + 3 + 64 + 64
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            unet: Any = self.disk.unet
            pyramid = [images]
            for down in unet.path_down:
                pyramid.append(down(pyramid[-1]))
            ups = [pyramid[-1]]
            for up, skipped in zip(unet.path_up, pyramid[-2:0:-1], strict=True):
                ups.append(up(ups[-1], skipped))
            descriptors, heat = ups[-1][:, :-1], ups[-1][:, -1:]
            coarse = pyramid[-1] / _COARSE_SCALE
            middle = F.avg_pool2d(ups[1], 2) / _MIDDLE_SCALE
            return torch.cat([*peaks(descriptors, heat), coarse, middle], dim=1)


def peaks(descriptors: Tensor, heat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What stands at each cell's peak of the heat map.

    Args:
        descriptors: (B, D, H, W). heat: (B, 1, H, W) logits, as DISK draws keypoints from them.

    Returns:
        (B, D, h, w) descriptors of root mean square 1; (B, 2, h, w) logits of the peak's place, x before y, a pixel's
        centre being at its middle; (B, 1, h, w) log of the heat.
    """
    cells = F.pixel_unshuffle(heat, CELL)  # (B, 256, h, w), row by row inside a cell
    weights = torch.softmax(cells, dim=1)
    logsum = torch.logsumexp(cells, dim=1, keepdim=True) / _HEAT_SCALE
    inside = (torch.arange(CELL, device=heat.device, dtype=heat.dtype) + 0.5) / CELL
    square = weights.unflatten(1, (CELL, CELL))
    x = (square.sum(dim=1) * inside[:, None, None]).sum(dim=1, keepdim=True)
    y = (square.sum(dim=2) * inside[:, None, None]).sum(dim=1, keepdim=True)
    at_peak = F.avg_pool2d(descriptors * F.pixel_shuffle(weights, CELL), CELL)
    unit = F.normalize(at_peak, dim=1) * descriptors.shape[1] ** 0.5
    return unit, torch.logit(torch.cat([x, y], dim=1), eps=1e-3) / 2.0, logsum

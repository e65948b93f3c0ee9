"""XFeat on a grid of 16 px cells: a small encoder, learned on photographs, that matches well from the start.

Source: Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching", CVPR 2024; written from the paper,
with the parameters' published names. ``mickey_hloc.weights.xfeat`` finds the file (Apache-2.0). XFeat describes cells
of 8 px; of the four in one of ours, the one that it holds most reliable stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.model.encoder import Encoder
from mickey_hloc.registry import CheckedOptions

FINE_CELL, CELL = 8, 16  # pixels: of XFeat, and of the grid
_D = 64  # channels of the descriptors and of each level of the pyramid
# The published weights' root mean squares at 1/8, 1/16 and 1/32, by which these channels are brought near 1.
_PYRAMID_SCALES = (0.6, 0.45, 0.7)
# Sharper than the network's own probability, which spreads the place of a clear keypoint over its neighbours.
_PLACE_SHARPNESS = 2.0


@dataclass(frozen=True)
class XFeatOptions(CheckedOptions):
    """There is one published size; nothing is left to choose."""


class _Layer(nn.Module):
    """Convolution, batch norm without a scale of its own, ReLU; ``layer`` counts as the published names do."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.layer = nn.Sequential(convolution, nn.BatchNorm2d(after, affine=False), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(x)
        return result


class XFeatNetwork(nn.Module):
    """The published network without its fine matcher: (B, 3, H, W), H and W multiples of 8, to maps at stride 8."""

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(_Layer(1, 4), _Layer(4, 8, stride=2), _Layer(8, 8), _Layer(8, 24, stride=2))
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, _D, stride=2), _Layer(_D, _D), _Layer(_D, _D, 1))
        self.block4 = nn.Sequential(_Layer(_D, _D, stride=2), _Layer(_D, _D), _Layer(_D, _D))
        self.block5 = nn.Sequential(_Layer(_D, 128, stride=2), _Layer(128, 128), _Layer(128, 128), _Layer(128, _D, 1))
        self.block_fusion = nn.Sequential(_Layer(_D, _D), _Layer(_D, _D), nn.Conv2d(_D, _D, 1))
        self.heatmap_head = nn.Sequential(_Layer(_D, _D, 1), _Layer(_D, _D, 1), nn.Conv2d(_D, 1, 1))
        self.keypoint_head = nn.Sequential(*(_Layer(_D, _D, 1) for _ in range(3)), nn.Conv2d(_D, 65, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
        """What XFeat says of an image.

        Returns:
            (B, 64, h, w) descriptors, not normalised; (B, 65, h, w) logits of the keypoint's pixel in its 8 x 8 cell,
            row by row, and of there being none; (B, 1, h, w) logit of the reliability; and the pyramid of 64 channels
            at strides 8, 16 and 32.
        """
        grey = F.instance_norm(images.mean(dim=1, keepdim=True))
        grey = grey.contiguous(memory_format=torch.channels_last)  # faster on CPUs
        fine = self.block3(self.block2(self.block1(grey) + self.skip1(grey)))
        middle = self.block4(fine)
        coarse = self.block5(middle)
        descriptors = self.block_fusion(fine + resize(middle, fine) + resize(coarse, fine))
        keypoints = self.keypoint_head(F.pixel_unshuffle(grey, FINE_CELL))
        return descriptors, keypoints, self.heatmap_head(descriptors), (fine, middle, coarse)


class XFeatGrid(Encoder):
    """Frozen XFeat: (B, 3, H, W) -> (B, 67 + 192, H / 16, W / 16).

    Channels: descriptor of the cell's most reliable quarter, logit of its keypoint's place in the cell (x, y), logit of
    its reliability, features at stride 8 averaged over the cell, at stride 16, and at stride 32.
    """

    Options = XFeatOptions
    frozen = True

    def __init__(self, options: XFeatOptions) -> None:
        super().__init__(options)
        self.network = XFeatNetwork()
        self.stride = CELL
        self.descriptor_channels = _D
        self.channels = _D + 3 + 3 * _D
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            descriptors, keypoints, reliability, pyramid = self.network(images)
            chosen = choose_quarters(descriptors, keypoints, reliability)
            levels = [F.avg_pool2d(pyramid[0], 2), pyramid[1], resize(pyramid[2], pyramid[1])]
            scaled = [level / scale for level, scale in zip(levels, _PYRAMID_SCALES, strict=True)]
            return torch.cat([*chosen, *scaled], dim=1)


def choose_quarters(descriptors: Tensor, keypoints: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the four cells of 8 px in one of 16 px, what XFeat says of the most reliable.

    Args:
        descriptors: (B, D, 2 h, 2 w). keypoints: (B, 65, 2 h, 2 w) logits. reliability: (B, 1, 2 h, 2 w) logit.

    Returns:
        (B, D, h, w) descriptors of root mean square 1; (B, 2, h, w) logits of the keypoint's place in the large cell, x
        before y, a pixel's centre being at its middle; (B, 1, h, w) logit of the reliability.
    """
    quarters = F.pixel_unshuffle(reliability, 2)  # (B, 4, h, w), row by row
    best, which = quarters.max(dim=1, keepdim=True)
    unit = F.normalize(_pick(descriptors, which), dim=1) * descriptors.shape[1] ** 0.5
    place = torch.softmax(_PLACE_SHARPNESS * _pick(keypoints, which)[:, :64], dim=1).unflatten(1, (8, 8))
    inside = (torch.arange(FINE_CELL, device=place.device, dtype=place.dtype) + 0.5) / CELL
    x = (place.sum(dim=1) * inside[:, None, None]).sum(dim=1, keepdim=True) + 0.5 * (which % 2)
    y = (place.sum(dim=2) * inside[:, None, None]).sum(dim=1, keepdim=True) + 0.5 * (which // 2)
    return unit, torch.logit(torch.cat([x, y], dim=1), eps=1e-3) / 2.0, best


def _pick(values: Tensor, which: Tensor) -> Tensor:
    """(B, C, 2 h, 2 w) at quarter ``which`` (B, 1, h, w) of each 2 x 2: (B, C, h, w)."""
    quarters = F.pixel_unshuffle(values, 2).unflatten(1, (values.shape[1], 4))
    return quarters.gather(2, which[:, None].expand(-1, values.shape[1], -1, -1, -1))[:, :, 0]


def resize(values: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)

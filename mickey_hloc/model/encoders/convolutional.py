"""A small convolutional encoder, trained from scratch together with the heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.model.encoder import Encoder
from mickey_hloc.registry import CheckedOptions, require


@dataclass(frozen=True)
class ConvolutionalOptions(CheckedOptions):
    """Sizes of the encoder.

    Attributes:
        widths: channels at strides 2, 4, 8, ...; the last of them is the stride of the features.
        blocks: residual blocks at each of these strides.
        context_widths, context_blocks: the same at still larger strides, whose features are added to the last ones:
            what a cell knows of the room around it.
        pool: images are averaged over pool x pool pixels first, which multiplies the stride. A model trained on images
            of half the size runs on the whole size with pool 2.
    """

    widths: tuple[int, ...] = (32, 64, 96)
    blocks: tuple[int, ...] = (0, 1, 2)
    context_widths: tuple[int, ...] = (128, 160)
    context_blocks: tuple[int, ...] = (2, 2)
    pool: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "widths", len(self.widths) >= 1, "at least one number of channels")
        for name in ("widths", "context_widths"):
            require(self, name, all(width >= 1 for width in getattr(self, name)), "positive numbers of channels")
        for name in ("blocks", "context_blocks"):
            require(self, name, all(count >= 0 for count in getattr(self, name)), "numbers of blocks, 0 or more")
        require(self, "pool", self.pool >= 1, "1 or more")
        for widths, blocks in ((self.widths, self.blocks), (self.context_widths, self.context_blocks)):
            if len(widths) != len(blocks):
                raise InputError(
                    f"The convolutional encoder needs as many widths as blocks, got {widths} and {blocks}."
                )


class _Block(nn.Module):
    """Two 3x3 convolutions with a shortcut: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def _half(before: int, width: int, count: int) -> nn.Sequential:
    """Half the resolution, then residual blocks."""
    # 4 x 4 with stride 2 samples evenly around the centre of the 2 x 2 pixels that it replaces.
    down = nn.Conv2d(before, width, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(down, nn.BatchNorm2d(width), nn.ReLU(), *(_Block(width) for _ in range(count)))


class Convolutional(Encoder):
    """Strided convolutions and residual blocks: (B, 3, H, W) -> (B, widths[-1], H / stride, W / stride)."""

    Options = ConvolutionalOptions
    frozen = False

    def __init__(self, options: ConvolutionalOptions) -> None:
        super().__init__(options)
        self.stride = options.pool * 2 ** len(options.widths)
        self.channels = options.widths[-1]
        widths = (3, *options.widths)
        self.fine = nn.Sequential(*map(_half, widths, options.widths, options.blocks))
        widths = (options.widths[-1], *options.context_widths)
        self.context = nn.ModuleList(map(_half, widths, options.context_widths, options.context_blocks))
        self.back = nn.ModuleList(nn.Conv2d(width, self.channels, 1, bias=False) for width in options.context_widths)

    def forward(self, images: Tensor) -> Tensor:
        x = F.avg_pool2d(images, self.options.pool) if self.options.pool > 1 else images
        x = (2.0 * x - 1.0).contiguous(memory_format=torch.channels_last)  # faster on CPUs
        features: Tensor = self.fine(x)
        coarse, result = features, features
        for down, back in zip(self.context, self.back, strict=True):
            if min(coarse.shape[-2:]) < 2:
                break  # an image of a few cells has no context
            coarse = down(coarse)
            result = result + F.interpolate(
                back(coarse), size=features.shape[-2:], mode="bilinear", align_corners=False
            )
        return result

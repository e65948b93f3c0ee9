"""A small convolutional encoder, trained from scratch together with the heads."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.model.encoder import Encoder


@dataclass(frozen=True)
class ConvolutionalOptions:
    """Sizes of the encoder.

    Attributes:
        widths: channels at strides 2, 4, 8, ...; the stride is 2 to the power of their number.
        blocks: residual blocks at each of these strides.
    """

    widths: tuple[int, ...] = (32, 64, 96, 160)
    blocks: tuple[int, ...] = (0, 1, 2, 3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # lists, where they were read from json
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.widths or len(self.widths) != len(self.blocks):
            raise InputError(
                f"The convolutional encoder needs as many widths as blocks, got {self.widths} and {self.blocks}."
            )


class _Block(nn.Module):
    """Two 3x3 convolutions with a shortcut: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Convolutional(Encoder):
    """Strided convolutions and residual blocks: (B, 3, H, W) -> (B, widths[-1], H / stride, W / stride).

    The blocks of the last stride are dilated in turn by 1, 2, 3, ..., so that a cell sees much of a room: the size of
    things is what tells depth.
    """

    Options = ConvolutionalOptions
    frozen = False

    def __init__(self, options: ConvolutionalOptions) -> None:
        super().__init__(options)
        self.stride = 2 ** len(options.widths)
        self.channels = options.widths[-1]
        layers: list[nn.Module] = []
        before = 3
        for level, (width, count) in enumerate(zip(options.widths, options.blocks, strict=True)):
            last = level == len(options.widths) - 1
            # 4 x 4 with stride 2 samples evenly around the centre of the 2 x 2 pixels that it replaces.
            layers += [nn.Conv2d(before, width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [_Block(width, dilation=1 + i if last else 1) for i in range(count)]
            before = width
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(2.0 * images - 1.0)
        return features

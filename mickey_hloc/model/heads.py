"""The four heads on the encoder's features: offset, depth, score, descriptor (MicKey section 3.2)."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.model.options import HeadOptions


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut: (B, in, h, w) -> (B, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, last_relu: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        changes = in_channels != out_channels
        # A Sequential because the published names count it: ``shortcut.0.weight``.
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False)) if changes else nn.Identity()
        self.last_relu = last_relu

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) + self.shortcut(x)
        return F.relu(y) if self.last_relu else y


def sine_encoding(channels: int, rows: int, columns: int, device: torch.device | str = "cpu") -> Tensor:
    """LoFTR's 2-D sine encoding: positions from 1, channels interleaved sin x, cos x, sin y, cos y.

    Returns:
        (1, channels, rows, columns) float32; ``channels`` must be a multiple of 4.
    """
    half = channels // 2
    frequency = torch.exp(torch.arange(0, half, 2, device=device) * (-math.log(10000.0) / half))[:, None, None]
    x = torch.arange(1, columns + 1, device=device)[None, None, :].expand(1, rows, columns) * frequency
    y = torch.arange(1, rows + 1, device=device)[None, :, None].expand(1, rows, columns) * frequency
    interleaved = torch.stack([x.sin(), x.cos(), y.sin(), y.cos()], dim=1)
    return interleaved.flatten(0, 1)[None]


def _at_least_float32(x: Tensor) -> Tensor:
    """Under autocast: 16 bits are too few for pixels, metres and probabilities."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class LinearAttentionLayer(nn.Module):
    """Self-attention whose cost grows linearly with the number of cells (Katharopoulos et al., 2020).

    (B, N, C) -> (B, N, C): x + norm2(mlp([x, norm1(merge(attention(x)))])).
    """

    eps = 1e-6

    def __init__(self, channels: int, mlp_hidden: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.merge = nn.Linear(channels, channels, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * channels, mlp_hidden, bias=False),
            nn.ReLU(),
            nn.Linear(mlp_hidden, channels, bias=False),
        )
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def _attention(self, x: Tensor) -> Tensor:
        q, k, v = (p(x).unflatten(-1, (self.num_heads, -1)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = F.elu(_at_least_float32(q)) + 1, F.elu(_at_least_float32(k)) + 1
        length = v.shape[1]
        # Values are divided by the length and multiplied back so that the sum over cells cannot overflow in half.
        keys_values = torch.einsum("bnhd,bnhv->bhdv", k, v / length)
        normaliser = 1 / (torch.einsum("bnhd,bhd->bnh", q, k.sum(dim=1)) + self.eps)
        return (torch.einsum("bnhd,bhdv,bnh->bnhv", q, keys_values, normaliser) * length).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        message = self.norm1(self.merge(self._attention(x)))
        return x + self.norm2(self.mlp(torch.cat([x, message], dim=-1)))


class AttentionLayers(nn.Module):
    """Positional encoding, then self-attention layers: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, options: HeadOptions) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LinearAttentionLayer(channels, options.mlp_hidden, options.num_attention_heads)
            for _ in range(options.num_attention_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[-2:]
        x = x + sine_encoding(x.shape[1], rows, columns, x.device).to(x.dtype)
        tokens = x.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens.transpose(1, 2).unflatten(2, (rows, columns))


class Context(nn.Module):
    """Features at coarser strides, added back: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList(map(_halve, (channels, *widths), widths))
        self.back = nn.ModuleList(nn.Conv2d(width, channels, 1, bias=False) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        coarse, result = x, x
        for down, back in zip(self.down, self.back, strict=True):
            if min(coarse.shape[-2:]) < 2:
                break  # an image of a few cells has no context
            coarse = down(coarse)
            result = result + F.interpolate(back(coarse), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return result


def _halve(before: int, width: int) -> nn.Sequential:
    """Half the resolution, then a residual block."""
    # 4 x 4 with stride 2 samples evenly around the centre of the 2 x 2 cells that it replaces.
    down = nn.Conv2d(before, width, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(down, nn.BatchNorm2d(width), nn.ReLU(), ResidualBlock(width, width))


class Head(nn.Module):
    """The trunk all heads share in form: residual blocks, context, attention, a last residual block.

    (B, in_channels, h, w) -> (B, widths[3], h, w), or widths[2] channels without the last ReLU for descriptors.
    """

    def __init__(self, in_channels: int, options: HeadOptions, is_descriptor: bool = False) -> None:
        super().__init__()
        w1, w2, w3, w4 = options.widths
        self.resblock1 = ResidualBlock(in_channels, w1)
        self.resblock2 = ResidualBlock(w1, w2)
        self.resblock3 = ResidualBlock(w2, w3)
        self.context = Context(w3, options.context_widths)
        self.att_layer = AttentionLayers(w3, options)
        self.resblock4 = ResidualBlock(w3, w3 if is_descriptor else w4, last_relu=not is_descriptor)

    def trunk(self, features: Tensor) -> Tensor:
        x = self.resblock3(self.resblock2(self.resblock1(features)))
        return self.resblock4(self.att_layer(self.context(x)))


class OffsetHead(Head):
    """Where in its cell the keypoint lies: (B, 2, h, w) in [0, 1], x before y."""

    def __init__(self, in_channels: int, options: HeadOptions) -> None:
        super().__init__(in_channels, options)
        self.xy_offset = nn.Conv2d(options.widths[3], 2, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(_at_least_float32(self.xy_offset(self.trunk(features))))


class DepthHead(Head):
    """Metric depth of the keypoint: (B, 1, h, w) metres.

    ``activation`` "linear" is the published form, whose depth may be negative; "exp" is ``scale_m * exp(output)``.
    """

    def __init__(
        self,
        in_channels: int,
        options: HeadOptions,
        activation: Literal["linear", "exp"] = "linear",
        scale_m: float = 1.0,
    ) -> None:
        super().__init__(in_channels, options)
        self.depth = nn.Conv2d(options.widths[3], 1, 1, bias=False)
        self.activation, self.scale_m = activation, scale_m

    def forward(self, features: Tensor) -> Tensor:
        output = _at_least_float32(self.depth(self.trunk(features)))
        return self.scale_m * (output.exp() if self.activation == "exp" else output)


class ScoreHead(Head):
    """Probability over cells that the keypoint is a good one: (B, 1, h, w), sums to 1, 0 at the border."""

    eps = 1e-16

    def __init__(
        self, in_channels: int, options: HeadOptions, temperature: float = 100.0, border_cells: int = 3
    ) -> None:
        super().__init__(in_channels, options)
        self.border_cells = border_cells
        self.score = nn.Conv2d(options.widths[3], 1, 1, bias=False)
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        s = _at_least_float32(self.score(self.trunk(features)))
        scores = torch.exp((s - s.mean(dim=(-2, -1), keepdim=True)) / self.temperature)
        b = self.border_cells
        inside = torch.zeros_like(scores)
        inside[..., b : inside.shape[-2] - b, b : inside.shape[-1] - b] = 1.0
        scores = scores * inside
        return scores / (scores.sum(dim=(-2, -1), keepdim=True) + self.eps)


class DescriptorHead(Head):
    """Descriptors of unit length: (B, widths[2], h, w)."""

    def __init__(self, in_channels: int, options: HeadOptions) -> None:
        super().__init__(in_channels, options, is_descriptor=True)

    def forward(self, features: Tensor) -> Tensor:
        d = _at_least_float32(self.trunk(features))
        return d / (d.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()

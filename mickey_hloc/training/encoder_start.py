"""Heads that start where a frozen encoder is: its keypoints, its descriptors, its confidence, and one depth everywhere.

The residual shortcuts of a head are set to carry some input channels to its output, next to branches that start small.
Training from poses then begins with matches that already fit, instead of having to find them by reinforcement.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.model.encoders.disk import DiskGrid
from mickey_hloc.model.encoders.xfeat import XFeatGrid
from mickey_hloc.model.heads import Head
from mickey_hloc.model.mickey import MicKey

# Carried values are this much larger than what the position encoding (+-1) and the random branches add to them.
CARRIED_SCALE = 8.0
BRANCH_GAIN = 0.1
DEPTH_GAIN = 0.01
# Encoders whose channels begin with a descriptor, half the logit of a keypoint's place (x, y), and its confidence.
ENCODERS = {"disk": DiskGrid, "xfeat": XFeatGrid}


def start_from_encoder(model: MicKey, name: str, seed: int = 0) -> None:
    """Set the heads of a model on an encoder that finds keypoints itself; their sizes stay as configured.

    Args:
        model: changed in place. name: of its encoder, one of ``ENCODERS``. seed: of the projection of descriptors.

    Raises:
        InputError: the encoder is another one, or a head is too narrow.
    """
    encoder = model.encoder
    if not isinstance(encoder, (DiskGrid, XFeatGrid)) or not isinstance(encoder, ENCODERS[name]):
        raise InputError(f"start: {name} needs the {name} encoder (model.encoder: {name}).")
    D = encoder.descriptor_channels
    width = model.options.descriptor.widths[2]
    C = encoder.matching_channels or encoder.channels
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(D, min(width // 2, D), generator=generator)
    projection = torch.zeros(min(width // 2, D), C)
    projection[:, :D] = torch.linalg.qr(random).Q.T * (D / projection.shape[0]) ** 0.5
    with torch.no_grad():
        _carry(model.descriptor_head, projection)
        offset = torch.zeros(2, C)
        offset[0, D], offset[1, D + 1] = 2.0, 2.0  # the encoder gives half the logit
        model.offset_head.xy_offset.weight.copy_(_read_out(_carry(model.offset_head, offset), 2))
        heat = torch.zeros(1, C)
        heat[0, D + 2] = 1.0
        temperature = model.options.score_temperature
        model.score_head.score.weight.copy_(temperature * _read_out(_carry(model.score_head, heat), 1))
        model.depth_head.depth.weight.mul_(DEPTH_GAIN)


def _carry(head: Head, projection: Tensor) -> int:
    """Let a head's shortcuts carry (m, C) projections of its input as 2 m channels, x and -x, which a ReLU spares.

    Returns:
        The number of channels at the output.
    """
    m = len(projection)
    blocks = [head.resblock1, head.resblock2, head.resblock3, head.resblock4]
    for number, block in enumerate(blocks):
        out_channels = block.conv2.out_channels
        if out_channels < 2 * m:
            raise InputError(f"this start needs heads at least {2 * m} channels wide, one has {out_channels}.")
        block.bn2.weight.fill_(BRANCH_GAIN)
        shortcut: Any = block.shortcut[0] if isinstance(block.shortcut, nn.Sequential) else None
        if number == 0:
            if shortcut is None:
                raise InputError("this start needs a first head width other than the encoder's channels.")
            shortcut.weight.mul_(BRANCH_GAIN)
            shortcut.weight[:m, :, 0, 0] = CARRIED_SCALE * projection
            shortcut.weight[m : 2 * m, :, 0, 0] = -CARRIED_SCALE * projection
        elif shortcut is not None:
            shortcut.weight.mul_(BRANCH_GAIN)
            shortcut.weight[: 2 * m, :, 0, 0] = torch.eye(2 * m, shortcut.in_channels)
    layers: Any = head.att_layer.layers
    for layer in layers:
        layer.norm2.weight.fill_(BRANCH_GAIN)
    return blocks[-1].conv2.out_channels


def _read_out(channels: int, count: int) -> Tensor:
    """(count, channels, 1, 1) weights of a last convolution that give back the carried values."""
    weight = torch.zeros(count, channels, 1, 1)
    for i in range(count):
        weight[i, i], weight[i, count + i] = 1.0 / CARRIED_SCALE, -1.0 / CARRIED_SCALE
    return weight

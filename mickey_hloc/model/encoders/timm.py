"""Any vision transformer of timm as a frozen encoder: DINOv2 of all sizes, DINOv3, and others.

In a configuration one line: ``encoder: timm:vit_small_patch16_dinov3.lvd1689m``. The weights come from timm's place on
the Hugging Face hub (``mickey_hloc.weights.timm``), under the licence that timm states for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.model.encoder import Encoder
from mickey_hloc.registry import CheckedOptions, require

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")  # no address of a hub: a checkpoint's text is not to be trusted


@dataclass(frozen=True)
class TimmOptions(CheckedOptions):
    """Which network, and how much of it.

    Attributes:
        name: as timm lists it, with or without the tag of its weights.
        num_blocks: the first so many; None = all.
        normalise: shift and scale images by the mean and deviation of the network's training.
    """

    name: str = "vit_small_patch14_dinov2.lvd142m"
    num_blocks: int | None = None
    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "name", _NAME.fullmatch(self.name) is not None, "a name of timm.list_models()")
        require(self, "num_blocks", self.num_blocks is None or self.num_blocks >= 1, "1 or more, or none")


class TimmEncoder(Encoder):
    """Patch tokens after the last norm, as a grid; position embeddings are resized by timm."""

    Options = TimmOptions
    frozen = True
    auto_is_16_bit = True

    def __init__(self, options: TimmOptions) -> None:
        super().__init__(options)
        self.network = create_network(options)
        network: Any = self.network
        self.stride, self.channels = int(network.patch_embed.patch_size[0]), int(network.embed_dim)
        given = network.pretrained_cfg if options.normalise else {"mean": (0.0,) * 3, "std": (1.0,) * 3}
        self._mean, self._std = tuple(given["mean"]), tuple(given["std"])
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        network: Any = self.network
        mean, std = (images.new_tensor(v)[:, None, None] for v in (self._mean, self._std))
        rows, columns = (side // self.stride for side in images.shape[-2:])
        tokens = network.forward_features((images - mean) / std)
        patches: Tensor = tokens[:, -rows * columns :]
        return patches.transpose(1, 2).unflatten(2, (rows, columns))


def create_network(options: TimmOptions, pretrained: bool = False) -> nn.Module:
    """The network as timm builds it, for images of any size.

    Raises:
        InputError: timm has no such network, or it is no vision transformer with one grid of patches.
    """
    import timm

    if not timm.is_model(options.name):
        raise InputError(f"timm {timm.__version__} has no network '{options.name}'; see timm.list_models('*dino*').")
    try:
        with torch.random.fork_rng(devices=[]):
            network: nn.Module = timm.create_model(
                options.name, pretrained=pretrained, num_classes=0, global_pool="", dynamic_img_size=True
            )
        blocks = network.blocks
    except (TypeError, AttributeError) as error:
        raise InputError(f"timm's '{options.name}' is no plain vision transformer; choose another encoder.") from error
    if options.num_blocks is not None:
        network.blocks = blocks[: options.num_blocks]  # type: ignore[index, assignment]
    return network

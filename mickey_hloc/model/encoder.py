"""Image encoders: an image becomes a grid of features, one cell per ``stride`` pixels."""

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.errors import WeightsError
from mickey_hloc.registry import CheckedOptions, Registry, make_options, require


class Encoder(nn.Module):
    """Base of all encoders. ``forward`` maps (B, 3, H, W) in [0, 1], H and W multiples of ``stride``, to features.

    Attributes:
        stride: pixels per cell.
        channels: width of the features.
        matching_channels: the first so many are for offsets, scores and descriptors, depth sees all; None = all too.
        frozen: True where the published recipe keeps the encoder fixed (evaluation mode, no gradients).
        auto_is_16_bit: the precision "auto" means 16 bit, which makes vision transformers much faster and changes them
            little. Small convolutional encoders gain a tenth, and some choose keypoints by what 16 bit rounds away.
        stored_in_half: files of models keep its weights in float16; they are computed with in float32 all the same.
    """

    Options: ClassVar[type]
    stride: int
    channels: int
    matching_channels: int | None = None
    frozen: bool = False
    auto_is_16_bit: ClassVar[bool] = False
    stored_in_half: ClassVar[bool] = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Encoder":
        """An untrained encoder of the sizes in ``options``; unknown keys are errors."""
        return cls(make_options(cls.Options, options, where=f"encoder {cls.__name__}"))

    @classmethod
    def settled(cls, precision: str) -> str:
        """What a precision means to this encoder: "auto" where the device decides, "fp32" where it never does."""
        return "fp32" if precision == "auto" and not cls.auto_is_16_bit else precision

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, channels, H / stride, W / stride)."""


ENCODERS: Registry[Encoder] = Registry(
    "encoder",
    Encoder,
    {
        "dinov2": "mickey_hloc.model.encoder:DinoV2",
        "disk": "mickey_hloc.model.encoders.disk:DiskGrid",
        "xfeat": "mickey_hloc.model.encoders.xfeat:XFeatGrid",
        "xfeat_efficientnet": "mickey_hloc.model.encoders.xfeat_efficientnet:XFeatEfficientNet",
        "timm": "mickey_hloc.model.encoders.timm:TimmEncoder",
        "convolutional": "mickey_hloc.model.encoders.convolutional:Convolutional",
    },
)


DINOV2_CHANNELS_PER_HEAD = 64  # of its attention, at every size


@dataclass(frozen=True)
class DinoV2Options(CheckedOptions):
    """Sizes of a DINOv2 vision transformer; the defaults are ViT-L/14."""

    channels: int = 1024
    num_blocks: int = 24
    patch_size: int = 14
    mlp_hidden: int = 4096
    grid_size: int = 37  # cells a side of the stored position embedding
    num_registers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        c, per_head = self.channels, DINOV2_CHANNELS_PER_HEAD
        require(self, "channels", c >= per_head and c % per_head == 0, f"a multiple of {per_head}")
        for name in ("num_blocks", "patch_size", "mlp_hidden", "grid_size"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "num_registers", self.num_registers >= 0, "0 or more")


class DinoV2(Encoder):
    """DINOv2 patch tokens after the last LayerNorm (Oquab et al., 2023), on timm's transformer blocks.

    The parameters have DINOv2's own names, so that its published files load as they are.
    """

    Options = DinoV2Options
    frozen = True
    auto_is_16_bit = True

    def __init__(self, options: DinoV2Options) -> None:
        from timm.layers.patch_embed import PatchEmbed
        from timm.models.vision_transformer import Block

        super().__init__(options)
        c = options.channels
        self.stride, self.channels = options.patch_size, c
        has_registers = options.num_registers > 0
        num_positions = options.grid_size**2 + (0 if has_registers else 1)  # timm folds the class token's in there
        self.patch_embed = PatchEmbed(img_size=None, patch_size=options.patch_size, embed_dim=c, flatten=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_positions, c))
        if has_registers:
            self.reg_token = nn.Parameter(torch.zeros(1, options.num_registers, c))
        layer_norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.ModuleList(
            Block(
                dim=c,
                num_heads=c // DINOV2_CHANNELS_PER_HEAD,
                mlp_ratio=options.mlp_hidden / c,
                qkv_bias=True,
                init_values=1e-5,
                norm_layer=layer_norm,
            )
            for _ in range(options.num_blocks)
        )
        self.norm = nn.LayerNorm(c, eps=1e-6)

    def _patch_positions(self, rows: int, columns: int) -> Tensor:
        """Position embedding of the patches at another grid size: (1, rows * columns, C)."""
        size = self.options.grid_size
        stored = self.pos_embed[:, -(size**2) :]
        if not torch.compiler.is_compiling() and rows == columns == size:
            return stored
        # DINOv2 resizes by a factor with a tenth of a cell added, not to a size: the sampling points differ. Written
        # with grid_sample because ONNX would keep the factor of one size, and without a choice by size, because a graph
        # for many sizes would keep that of one: the tenth is none where the grid is the stored one.
        image = stored.float().unflatten(1, (size, size)).permute(0, 3, 1, 2)
        other = sum(
            (torch.scalar_tensor(n, dtype=torch.float32, device=image.device) - size).abs() for n in (rows, columns)
        )
        more = 0.1 * other.clamp(max=1.0)
        y, x = (
            2 * (torch.arange(n, dtype=torch.float32, device=image.device) + 0.5) / (n + more) - 1
            for n in (rows, columns)
        )
        points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        resized = F.grid_sample(image, points, mode="bicubic", padding_mode="border", align_corners=False)
        return resized.flatten(2).transpose(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed(images)
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2) + self._patch_positions(rows, columns)
        if self.options.num_registers:
            prefix: list[Tensor] = [self.cls_token, self.reg_token]
        else:
            prefix = [self.cls_token + self.pos_embed[:, :1]]
        tokens = torch.cat([p.expand(len(tokens), -1, -1) for p in prefix] + [tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)[:, -rows * columns :]
        return tokens.transpose(1, 2).unflatten(2, (rows, columns))


def read_dinov2_options(state_dict: Mapping[str, Tensor]) -> DinoV2Options:
    """The sizes of a DINOv2 encoder, read off the shapes of its parameters.

    Raises:
        WeightsError: these are not the parameters of a plain DINOv2 ViT.
    """
    required = ("pos_embed", "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "norm.weight")
    missing = [key for key in required if key not in state_dict]
    if missing:
        raise WeightsError(
            f"these are not weights of a DINOv2 ViT-S, B or L: {', '.join(missing)} not found; "
            "use a published dinov2_vit{s,b,l}14 file or a timm DINOv2 of these sizes"
        )
    registers = state_dict.get("reg_token", state_dict.get("register_tokens"))
    num_registers = 0 if registers is None else registers.shape[1]
    num_positions = state_dict["pos_embed"].shape[1]
    return DinoV2Options(
        channels=state_dict["norm.weight"].shape[0],
        num_blocks=1 + max(int(found[1]) for key in state_dict if (found := re.match(r"blocks\.(\d+)\.", key))),
        patch_size=state_dict["patch_embed.proj.weight"].shape[-1],
        mlp_hidden=state_dict["blocks.0.mlp.fc1.weight"].shape[0],
        grid_size=math.isqrt(num_positions),
        num_registers=num_registers,
    )


def fold_dinov2_registers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2's own files in the layout used here: the mask token dropped, registers named and folded as timm does."""
    state = {key: value for key, value in state_dict.items() if key != "mask_token"}
    if "register_tokens" in state:
        state["reg_token"] = state.pop("register_tokens")
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:]
    return state

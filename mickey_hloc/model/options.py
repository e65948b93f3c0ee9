"""The sizes and constants of a model, as they are configured and stored with its weights. Needs no torch."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mickey_hloc.registry import CheckedOptions, make_options, require

TIMM_PREFIX = "timm:"
PUBLISHED_ENCODERS = ("dinov2", "timm")  # whose weights others publish, so that exported models leave them out
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_plain_name(text: str) -> bool:
    """Whether a text is a name of letters, digits, - and _, up to 64 of them; ``package.module:Class`` is none.

    >>> is_plain_name("joint"), is_plain_name("some_package.solvers:Mine")
    (True, False)
    """
    return _PLAIN_NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class HeadOptions(CheckedOptions):
    """Sizes of one head; the defaults are the published model's.

    Attributes:
        widths: channels of the four residual blocks.
        num_attention_layers: self-attention layers before the last block.
        mlp_hidden: hidden channels of each such layer.
        num_attention_heads: of each such layer; they share the third width.
        context_widths: channels at 2, 4, ... times the stride, before the attention, whose features are added back:
            what a cell knows of the image around it. The published model has none.
    """

    widths: tuple[int, int, int, int] = (512, 256, 128, 64)
    num_attention_layers: int = 3
    mlp_hidden: int = 256
    num_attention_heads: int = 8
    context_widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "widths", min(self.widths) >= 1, "positive numbers of channels")
        require(self, "num_attention_layers", self.num_attention_layers >= 0, "0 or more")
        require(self, "num_attention_heads", self.num_attention_heads >= 1, "1 or more")
        require(self, "context_widths", all(w >= 1 for w in self.context_widths), "positive numbers of channels")
        channels = self.widths[2]
        require(self, "widths", channels % 4 == 0, "a multiple of 4 in the third place, for the position encoding")
        if self.num_attention_layers:
            require(self, "mlp_hidden", self.mlp_hidden >= 1, "1 or more where there are attention layers")
            shared = channels % self.num_attention_heads == 0
            require(self, "num_attention_heads", shared, f"a divisor of the third width, {channels}")


@dataclass(frozen=True)
class MicKeyOptions(CheckedOptions):
    """Sizes and constants of a model; the defaults are the published one's. Stored with our checkpoints.

    Attributes:
        encoder, encoder_options: name of the encoder and its sizes, see ``mickey_hloc.model.encoder``.
        offset, depth, score, descriptor: sizes of the heads.
        depth_activation: "linear" (the depth may be negative) or "exp" (``depth_scale_m * exp(output)``).
        depth_scale_m: factor of the depth, metres.
        score_temperature: of the softmax over cells.
        score_border_cells: cells without keypoints at each border; much of the image where cells are few.
        match_temperature: of the dual softmax.
        training_focal_px: the focal length at which depth was learned, pixels; None = many.
        training_size_px: longer side of the training's images, to which larger ones are shrunk; None = any size.
        solver: the name of the solver that suits this model; defaults follow it.
    """

    encoder: str = "dinov2"
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    offset: HeadOptions = field(default_factory=HeadOptions)
    depth: HeadOptions = field(default_factory=HeadOptions)
    score: HeadOptions = field(default_factory=HeadOptions)
    descriptor: HeadOptions = field(default_factory=HeadOptions)
    depth_activation: Literal["linear", "exp"] = "linear"
    depth_scale_m: float = 1.0
    score_temperature: float = 100.0
    score_border_cells: int = 3
    match_temperature: float = 0.1
    training_focal_px: float | None = 570.0
    training_size_px: int | None = 720
    solver: str = "probabilistic"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth_scale_m", "score_temperature", "match_temperature", "training_focal_px"):
            value = getattr(self, name)
            require(self, name, value is None or 0 < value < math.inf, "a positive number")
        require(self, "score_border_cells", self.score_border_cells >= 0, "0 or more cells")
        size = self.training_size_px
        require(self, "training_size_px", size is None or size >= 1, "a positive number of pixels, or none")
        # A checkpoint's text is not to be trusted: a dotted path would import what it names.
        require(self, "solver", is_plain_name(self.solver), "a name of letters, digits, - and _")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MicKeyOptions:
        """From plain values, as read from json or yaml; the encoder ``timm:<name>`` is short for timm with that name.

        Raises:
            InputError: an unknown key, or a value of the wrong type.
        """
        encoder = values.get("encoder") if isinstance(values, Mapping) else None
        own = values.get("encoder_options", {}) if encoder is not None else None
        if isinstance(encoder, str) and encoder.startswith(TIMM_PREFIX) and isinstance(own, Mapping):
            named = {"name": encoder.removeprefix(TIMM_PREFIX), **own}
            values = {**values, "encoder": "timm", "encoder_options": named}
        return make_options(cls, values, where="the model")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for json."""
        return dataclasses.asdict(self)

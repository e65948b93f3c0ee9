"""MicKey: metric keypoints and their matches from images (Barroso-Laguna et al., CVPR 2024, section 3.2)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.model.encoder import ENCODERS
from mickey_hloc.model.heads import DepthHead, DescriptorHead, OffsetHead, ScoreHead
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.options import MicKeyOptions
from mickey_hloc.registry import load_attribute

__all__ = ["MetricKeypoints", "MicKey", "MicKeyOptions", "autocast_dtype"]


@dataclass(frozen=True, eq=False)
class MetricKeypoints:
    """Keypoints of a batch of images of one size; one keypoint per cell of the encoder's grid, row by row.

    Attributes:
        keypoints: (B, N, 2) pixels, centre of the top-left pixel = (0, 0).
        depths: (B, N) metres, may be negative = unusable.
        keypoint_scores: (B, N), a probability over the keypoints of an image.
        descriptors: (B, D, N), unit length.
        grid_shape: (rows, columns) with rows * columns = N.
    """

    keypoints: Tensor
    depths: Tensor
    keypoint_scores: Tensor
    descriptors: Tensor
    grid_shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.keypoints)

    def __getitem__(self, index: slice) -> MetricKeypoints:
        """A part of the batch; the batch axis stays."""
        parts = (self.keypoints[index], self.depths[index], self.keypoint_scores[index], self.descriptors[index])
        return MetricKeypoints(*parts, grid_shape=self.grid_shape)

    def float(self) -> MetricKeypoints:
        """In float32."""
        parts = (self.keypoints.float(), self.depths.float(), self.keypoint_scores.float(), self.descriptors.float())
        return MetricKeypoints(*parts, grid_shape=self.grid_shape)


class MicKey(nn.Module):
    """The network: images in, metric keypoints out; two sets of them in, probabilities out.

    Args:
        options: sizes, see MicKeyOptions.
        precision: autocast of the encoder: "fp32", "bf16", "fp16" or "auto" (16 bit where the device and the encoder
            are faster with it). Heads and matching are always float32.
    """

    def __init__(self, options: MicKeyOptions, precision: str = "fp32") -> None:
        super().__init__()
        self.options = options
        self.precision = precision
        self.encoder = ENCODERS.get(options.encoder).from_options(options.encoder_options)
        c = self.encoder.channels
        m = self.encoder.matching_channels or c
        self.offset_head = OffsetHead(m, options.offset)
        self.depth_head = DepthHead(c, options.depth, options.depth_activation, options.depth_scale_m)
        self.score_head = ScoreHead(m, options.score, options.score_temperature, options.score_border_cells)
        self.descriptor_head = DescriptorHead(m, options.descriptor)
        self.matcher = DualSoftmax(options.match_temperature)
        if self.encoder.frozen:
            self.encoder.requires_grad_(False).eval()  # or its batch normalisation would follow the images that it sees

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str], **options: Any) -> MicKey:
        """A model from the Hugging Face hub, a folder of ``save_pretrained``, or whatever ``load_model`` takes.

        Args:
            name: ``owner/name`` on the hub, with or without ``hf:`` before and ``@revision`` behind it; a folder; a
                file or a name of weights.
            options: of ``load_model``: encoder, device, precision. Of the hub: revision (branch, tag or commit), token,
                cache_dir, force_download, local_files_only.

        Raises:
            WeightsError: no such model, or no way to it; the message says why.
        """
        loaded: MicKey = load_attribute("mickey_hloc.weights.pretrained:load_pretrained")(name, **options)
        return loaded

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Write ``model.safetensors``, whose metadata are the options, and a README.md where there is none.

        A DINOv2 encoder, which is published, is left out. ``options``: of ``huggingface_hub.ModelHubMixin``.
        """
        load_attribute("mickey_hloc.weights.pretrained:OnHub")(self).save_pretrained(folder, **options)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload what ``save_pretrained`` writes to ``owner/name`` on the hub, which is made where it is not there.

        Args:
            repo_id: ``owner/name``.
            options: of ``huggingface_hub.ModelHubMixin``: private, token, branch, create_pr, commit_message.

        Returns:
            The address of the commit.

        Raises:
            WeightsError: the hub refuses, or cannot be reached.
        """
        return str(load_attribute("mickey_hloc.weights.pretrained:push_to_hub")(self, repo_id, **options))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.matcher.dustbin_score.device

    def train(self, mode: bool = True) -> MicKey:
        """As in torch, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder.frozen:
            self.encoder.eval()
        return self

    def encode(self, images: Tensor) -> Tensor:
        """The encoder's features, cropped right and bottom to whole cells.

        Args:
            images: (B, 3, H, W) float in [0, 1].

        Returns:
            (B, C, H // stride, W // stride) float32.

        Raises:
            InputError: the images are smaller than one cell.
        """
        check_shape("images", images, 3, None, None)
        if images.dim() != 4 or not images.is_floating_point():
            raise ValueError(f"images must be float (B, 3, H, W) in [0, 1], got {images.dtype} {tuple(images.shape)}")
        stride = self.encoder.stride
        rows, columns = images.shape[-2] // stride, images.shape[-1] // stride
        if min(rows, columns) == 0:
            raise InputError(
                f"an image of {images.shape[-1]}x{images.shape[-2]} px is smaller than one {stride} px cell"
            )
        cropped = images[..., : rows * stride, : columns * stride]
        with self._autocast(), torch.set_grad_enabled(torch.is_grad_enabled() and not self.encoder.frozen):
            return self.encoder(cropped).float()

    def keypoints_from_features(self, features: Tensor, learn_matching: bool = True) -> MetricKeypoints:
        """The heads alone, for features computed (or cached) before.

        Args:
            features: (B, C, h, w). learn_matching: else scores and descriptors come without gradient.
        """
        rows, columns = features.shape[-2:]
        for_matching = features[:, : self.encoder.matching_channels]
        offset = self.offset_head(for_matching)
        y, x = torch.meshgrid(
            torch.arange(rows, device=features.device), torch.arange(columns, device=features.device), indexing="ij"
        )
        keypoints = self.encoder.stride * (torch.stack([x, y]) + offset)
        with torch.set_grad_enabled(torch.is_grad_enabled() and learn_matching):
            scores, descriptors = self.score_head(for_matching), self.descriptor_head(for_matching)
        return MetricKeypoints(
            keypoints=keypoints.flatten(2).transpose(1, 2),
            depths=self.depth_head(features).flatten(1),
            keypoint_scores=scores.flatten(1),
            descriptors=descriptors.flatten(2),
            grid_shape=(rows, columns),
        )

    def forward(self, images: Tensor) -> MetricKeypoints:
        """Metric keypoints of a batch of images (B, 3, H, W), float in [0, 1], any H and W of at least one cell."""
        return self.keypoints_from_features(self.encode(images))

    def match(self, a: MetricKeypoints, b: MetricKeypoints) -> Tensor:
        """Match probability (Eq. 3): (B, N0, N1)."""
        return self.matcher(a.descriptors, b.descriptors)

    def correspondence_probability(self, a: MetricKeypoints, b: MetricKeypoints) -> Tensor:
        """P(y_ij) = match_ij * score_i * score_j (Eq. 2): (B, N0, N1)."""
        return self.match(a, b) * a.keypoint_scores[:, :, None] * b.keypoint_scores[:, None, :]

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        dtype = autocast_dtype(self.encoder.settled(self.precision), self.device)
        if dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=dtype)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The 16-bit type of a precision name on a device, or None for float32.

    Raises:
        InputError: an unknown name, or 16 bit on a CPU that has no instructions for it.
    """
    if precision == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if device.type == "cpu" and cpu_multiplies_bf16() else None
    names = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision not in names:
        raise InputError(f"Unknown precision '{precision}'; choose one of: auto, {', '.join(names)}.")
    if precision == "fp16" and device.type == "cpu":
        raise InputError("fp16 needs a GPU; on the CPU choose auto or fp32.")
    if precision == "bf16" and device.type == "cpu" and cpu_multiplies_bf16() is False:
        raise InputError("bf16 is far slower than fp32 on this CPU, which has no instructions for it; choose fp32.")
    return names[precision]


def cpu_multiplies_bf16() -> bool | None:
    """Whether the CPU has bfloat16 instructions, None where torch cannot tell; without them fp32 is far faster."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not capabilities:
        return None
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))

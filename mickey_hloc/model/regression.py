"""Relative-pose regression: a network that says the pose of two images itself, in metres.

As Arnold et al. describe it ("Map-free visual relocalization: metric pose relative to a single image", ECCV 2022): one
encoder for both images, the second's features brought to the first's cells by soft correlation, together with where
they come from; convolutions and the mean over the image; then the pose in one of three forms. Written from the paper.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.geometry import kabsch
from mickey_hloc.model.encoder import ENCODERS
from mickey_hloc.model.options import TIMM_PREFIX
from mickey_hloc.registry import CheckedOptions, require

POINTS = 8  # pairs of 3-D points of the form "points"
BINS = 72  # of an angle, 5 degrees each
ANGLES = 5  # yaw, pitch and roll of the rotation, azimuth and elevation of the translation
OUTPUTS = {"6d": 9, "angles": ANGLES * BINS + 1, "points": 6 * POINTS}


@dataclass(frozen=True)
class RegressionOptions(CheckedOptions):
    """Sizes of a network; stored with its weights.

    Attributes:
        form: "6d": two columns of the rotation, and t in metres. "angles": the rotation's three angles and the
            translation's two, each a mean over bins, and its length. "points": 3-D points in both cameras, whose rigid
            motion is the pose.
        encoder, encoder_options: see ``mickey_hloc.model.encoder``; a frozen one is not trained.
        channels: of the features that are compared.
        widths: channels of the convolutions over the compared features; each halves the resolution.
        hidden: width of the layer before the pose.
        size_wh: (width, height) of the images in training, to which others are resized; pixels.
    """

    form: Literal["6d", "angles", "points"] = "6d"
    encoder: str = "xfeat"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    channels: int = 64
    widths: tuple[int, ...] = (96, 128, 192)
    hidden: int = 128
    size_wh: tuple[int, int] = (640, 480)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "channels", self.channels >= 1, "1 or more")
        require(self, "widths", min(self.widths, default=0) >= 1, "positive numbers of channels, one at least")
        require(self, "hidden", self.hidden >= 1, "1 or more")
        require(self, "size_wh", min(self.size_wh) >= 1, "1 or more pixels")
        if self.encoder.startswith(TIMM_PREFIX):
            object.__setattr__(
                self, "encoder_options", {"name": self.encoder[len(TIMM_PREFIX) :], **self.encoder_options}
            )
            object.__setattr__(self, "encoder", "timm")


class PoseRegressor(nn.Module):
    """Two images, or their encoder's features, to cam1_from_cam0 in metres."""

    precision = "fp32"

    def __init__(self, options: RegressionOptions) -> None:
        super().__init__()
        self.options = options
        self.encoder = ENCODERS.get(options.encoder).from_options(options.encoder_options)
        if self.encoder.frozen:
            self.encoder.requires_grad_(False).eval()
        C = options.channels
        self.project = nn.Sequential(
            nn.Conv2d(self.encoder.channels, C, 1), nn.BatchNorm2d(C), nn.ReLU(), nn.Conv2d(C, C, 1)
        )
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(10.0)))
        widths = (2 * C + 5, *options.widths)
        self.convolutions = nn.Sequential(*(_block(before, after) for before, after in itertools.pairwise(widths)))
        last = nn.Linear(options.hidden, OUTPUTS[options.form])
        with torch.no_grad():  # begins near no motion
            last.weight.mul_(0.1)
            last.bias.copy_(_at_rest(options.form))
        self.read_out = nn.Sequential(nn.Linear(widths[-1], options.hidden), nn.ReLU(), last)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_sharpness.device

    def train(self, mode: bool = True) -> PoseRegressor:
        """As in torch, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder.frozen:
            self.encoder.eval()
        return self

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, C, h, w), cropped right and bottom to whole cells."""
        stride = self.encoder.stride
        rows, columns = images.shape[-2] // stride, images.shape[-1] // stride
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.encoder.frozen):
            return self.encoder(images[..., : rows * stride, : columns * stride]).float()

    def forward(self, images0: Tensor, images1: Tensor) -> tuple[Tensor, Tensor]:
        """R (B, 3, 3) and t (B, 3) metres of cam1_from_cam0."""
        return self.pose_from_features(self.encode(images0), self.encode(images1))

    def pose_from_features(self, features0: Tensor, features1: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the encoder's features, (B, C, h0, w0) and (B, C, h1, w1)."""
        f0, f1 = (self.project(features) for features in (features0, features1))
        at0, at1 = _grid(f0), _grid(f1)
        unit0, unit1 = (F.normalize(f.flatten(2), dim=1) for f in (f0, f1))
        weights = torch.softmax(self.log_sharpness.exp() * unit0.mT @ unit1, dim=-1)  # (B, N0, N1)
        brought = torch.cat([f1, at1], dim=1).flatten(2) @ weights.mT
        clear = weights.amax(dim=-1)[:, None].unflatten(2, f0.shape[-2:])
        volume = torch.cat([f0, at0, brought.unflatten(2, f0.shape[-2:]), clear], dim=1)
        return FORMS[self.options.form](self.read_out(self.convolutions(volume).mean(dim=(2, 3))))


def _block(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()),
        *(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()),
    )


def _grid(features: Tensor) -> Tensor:
    """(B, 2, h, w): where each cell is, x and y in [-1, 1]."""
    axes = [torch.linspace(-1, 1, side, device=features.device) for side in features.shape[-2:]]
    y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y]).expand(len(features), -1, -1, -1)


def _at_rest(form: str) -> Tensor:
    """The output that says nearly no motion."""
    if form == "6d":
        return torch.tensor([1.0, 0, 0, 0, 1.0, 0, 0, 0, 0])
    if form == "angles":
        logits = torch.cos(_bin_angles())
        return torch.cat([2.0 * logits.repeat(ANGLES), torch.tensor([-1.0])])
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(POINTS, 3, generator=generator) * torch.tensor([1.0, 0.7, 0.5]) + torch.tensor([0, 0, 2.0])
    return torch.cat([points.flatten(), points.flatten()])


def _bin_angles() -> Tensor:
    return (torch.arange(BINS) - BINS // 2) * (2 * math.pi / BINS)


def pose_from_6d(values: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 9) -> R and t: the first two columns of R made orthonormal one after the other (Zhou et al., CVPR 2019)."""
    first = F.normalize(values[:, :3], dim=-1)
    second = values[:, 3:6] - (first * values[:, 3:6]).sum(dim=-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    R = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
    return R, values[:, 6:]


def pose_from_angles(values: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 5 BINS + 1) -> R and t: every angle is that of the mean unit vector over the bins, so that no end is torn."""
    shares = torch.softmax(values[:, :-1].unflatten(1, (ANGLES, BINS)), dim=-1)
    bins = _bin_angles().to(values)
    yaw, pitch, roll, azimuth, elevation = torch.atan2(shares @ bins.sin(), shares @ bins.cos()).unbind(dim=-1)
    R = _turn(yaw, 1) @ _turn(pitch, 0) @ _turn(roll, 2)
    direction = [elevation.cos() * azimuth.sin(), elevation.sin(), elevation.cos() * azimuth.cos()]
    return R, F.softplus(values[:, -1:]) * torch.stack(direction, dim=-1)


def _turn(angles: Tensor, axis: int) -> Tensor:
    """(B,) radians -> (B, 3, 3) rotations about an axis."""
    c, s, zero, one = angles.cos(), angles.sin(), torch.zeros_like(angles), torch.ones_like(angles)
    rows = {
        0: [one, zero, zero, zero, c, -s, zero, s, c],
        1: [c, zero, s, zero, one, zero, -s, zero, c],
        2: [c, -s, zero, s, c, zero, zero, zero, one],
    }
    return torch.stack(rows[axis], dim=-1).unflatten(-1, (3, 3))


def pose_from_points(values: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 6 POINTS) -> R and t: the rigid motion from the points in camera 0 to those in camera 1."""
    X, Y = values.unflatten(1, (2, POINTS, 3)).unbind(dim=1)
    return kabsch(X, Y)


FORMS = {"6d": pose_from_6d, "angles": pose_from_angles, "points": pose_from_points}

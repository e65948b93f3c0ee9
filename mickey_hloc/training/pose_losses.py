"""Losses between an estimated and a true relative pose: virtual correspondences (MicKey Eq. 7) and pose errors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import backproject, benchmark_grid, inverse, virtual_correspondence_errors
from mickey_hloc.geometry.camera import check_shape

# A rotation angle from its trace has an infinite slope at zero; the recorded numbers clamp the cosine this far from 1.
COSINE_MARGIN = 1e-5


@dataclass(frozen=True)
class GridOptions:
    """Virtual points of the VCRE loss.

    Attributes:
        kind: "benchmark" = the fixed 7 x 4 x 7 points 1.8 to 3.6 m away; "frustum" = points that fill the part of the
            image's viewing frustum between two depths. A grid that lies beyond the training scenes rewards depths that
            are too long, so indoor scenes want the second.
        near_m, far_m: depth range of the frustum grid, metres.
        image_share: share of the image's width and height that the frustum grid spans, centred.
        steps: points along x, y and depth.
    """

    kind: Literal["benchmark", "frustum"] = "benchmark"
    near_m: float = 0.6
    far_m: float = 3.2
    image_share: float = 0.8
    steps: tuple[int, int, int] = (7, 5, 5)

    def __post_init__(self) -> None:
        if self.kind not in ("benchmark", "frustum"):
            raise InputError(f"The grid kind must be benchmark or frustum, not {self.kind!r}.")
        if not 0 < self.near_m <= self.far_m:
            raise InputError(f"The grid needs 0 < near_m <= far_m, got {self.near_m} and {self.far_m}.")
        if not 0 < self.image_share <= 1:
            raise InputError(f"The grid's image_share must be in (0, 1], got {self.image_share}.")
        if len(self.steps) != 3 or any(int(n) != n or n < 1 for n in self.steps):
            raise InputError(f"The grid's steps must be three positive integers, got {self.steps}.")
        object.__setattr__(self, "steps", tuple(int(n) for n in self.steps))  # yaml gives a list


def virtual_points(options: GridOptions, K: Tensor, image_size: Tensor | None) -> Tensor:
    """Virtual points in the frame of each camera.

    Args:
        options: which grid.
        K: (B, 3, 3) intrinsics.
        image_size: (B, 2) width and height in pixels; needed by the frustum grid.

    Returns:
        (B, P, 3) metres; the benchmark's grid is the same for all cameras.
    """
    if options.kind == "benchmark":
        return benchmark_grid(K.device, K.dtype).expand(len(K), -1, -1)
    if image_size is None:
        raise InputError("The frustum grid of the VCRE loss needs the image sizes.")
    check_shape("image_size", image_size, len(K), 2)
    margin = (1.0 - options.image_share) / 2.0
    nx, ny, nz = options.steps
    u, v, z = torch.meshgrid(
        _spread(margin, 1.0 - margin, nx, K),
        _spread(margin, 1.0 - margin, ny, K),
        _spread(options.near_m, options.far_m, nz, K),
        indexing="ij",
    )
    # An image of w pixels reaches from -1/2 to w - 1/2: pixel centres are at integers.
    pixels = torch.stack([u, v], dim=-1).reshape(1, -1, 2) * image_size.to(K)[:, None] - 0.5
    return backproject(pixels, z.reshape(1, -1).expand(len(K), -1), K)


def _spread(low: float, high: float, count: int, like: Tensor) -> Tensor:
    """(count,) even steps from low to high, the middle where there is one."""
    if count == 1:
        low = high = 0.5 * (low + high)
    return torch.linspace(low, high, count, dtype=like.dtype, device=like.device)


def soft_clip(error: Tensor, limit: float) -> Tensor:
    """tanh(error / limit): the published soft clipping, which caps what a hopeless hypothesis costs at 1."""
    return torch.tanh(error / limit)


def vcre_loss(
    R: Tensor,
    t: Tensor,
    R_gt: Tensor,
    t_gt: Tensor,
    K0: Tensor,
    K1: Tensor,
    grid0: Tensor | None = None,
    grid1: Tensor | None = None,
    clip_px: float | None = 720.0,
) -> Tensor:
    """VCRE averaged over both directions: with virtual points before camera 0, and before camera 1.

    Args:
        R, t: (..., 3, 3) and (..., 3) estimated cam1_from_cam0, metres.
        R_gt, t_gt: true cam1_from_cam0; shapes broadcast with R and t.
        K0, K1: (..., 3, 3) intrinsics; shapes broadcast with R.
        grid0, grid1: (..., P, 3) virtual points of camera 0 and camera 1, metres. Default: the benchmark's.
        clip_px: projections are clipped to [0, clip_px] along both axes; None = not clipped.

    Returns:
        (...) pixels.
    """
    size = None if clip_px is None else (clip_px, clip_px)
    forward = virtual_correspondence_errors(R, t, R_gt, t_gt, K0, size, grid0)
    backward = virtual_correspondence_errors(*inverse(R, t), *inverse(R_gt, t_gt), K1, size, grid1)
    return 0.5 * (forward + backward)


def pose_error_terms(R: Tensor, t: Tensor, R_gt: Tensor, t_gt: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation angle and L1 translation error between poses of the same direction.

    The angle comes from the trace, with its cosine kept ``COSINE_MARGIN`` inside (-1, 1), so that its slope is finite;
    the smallest angle is therefore 0.0045 rad.

    Args:
        R, t, R_gt, t_gt: (..., 3, 3) and (..., 3), metres.

    Returns:
        (...) radians and (...) metres (sum of absolute differences).
    """
    cosine = 0.5 * ((R_gt.transpose(-1, -2) @ R).diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0)
    angle = torch.acos(cosine.clamp(-1.0 + COSINE_MARGIN, 1.0 - COSINE_MARGIN))
    return angle, (t - t_gt).abs().sum(dim=-1)


def pose_loss(R: Tensor, t: Tensor, R_gt: Tensor, t_gt: Tensor, soft_clip_limit: float | None = 0.9) -> Tensor:
    """Rotation error (rad) plus translation error (m, L1), each soft-clipped unless the limit is None: (...)."""
    angle, distance = pose_error_terms(R, t, R_gt, t_gt)
    if soft_clip_limit is None:
        return angle + distance
    return soft_clip(angle, soft_clip_limit) + soft_clip(distance, soft_clip_limit)

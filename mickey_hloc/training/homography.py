"""A warm-up of descriptors by homographies of single images: no poses and no depth are needed.

An image and a warp of it show which cells correspond; the dual softmax of the descriptors learns to say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.model.mickey import MicKey


@dataclass(frozen=True)
class HomographyOptions:
    """The warm-up.

    Attributes:
        steps: how many steps it lasts; 0 = none.
        max_shift: of each corner, as a share of the image's size.
        max_scale: zoom between 1 / this and this.
        max_angle_deg: of the rotation about the middle.
        photometric: brightness and contrast of the two images differ by up to this share.
    """

    steps: int = 0
    max_shift: float = 0.15
    max_scale: float = 1.4
    max_angle_deg: float = 15.0
    photometric: float = 0.3

    def __post_init__(self) -> None:
        if self.steps < 0 or not 0 <= self.max_shift < 0.5 or self.max_scale < 1:
            raise InputError("homography: needs steps >= 0, 0 <= max_shift < 0.5 and max_scale >= 1.")


def warm_up_loss(model: MicKey, images: Tensor, options: HomographyOptions, seed: int) -> Tensor:
    """The matching loss of images (B, 3, H, W) and warps of them; the other heads get a gradient of zero."""
    height, width = images.shape[-2:]
    H = random_homographies(len(images), (width, height), options, seed).to(images)
    both = torch.cat([images, warp_images(images, H)])
    found = model(vary_brightness(both, options.photometric, seed))
    with torch.autocast(images.device.type, enabled=False):
        a, b = found[: len(images)].float(), found[len(images) :].float()
        radius = 0.75 * model.encoder.stride
        loss = matching_loss(model.match(a, b), a.keypoints, b.keypoints, H, radius)
        unused = sum((k.keypoints.sum() + k.depths.sum() + k.keypoint_scores.sum()) for k in (a, b))
    return loss + 0.0 * unused


def random_homographies(count: int, size_wh: tuple[int, int], options: HomographyOptions, seed: int) -> Tensor:
    """(count, 3, 3) float32: pixels of the warped image from pixels of the image."""
    rng = np.random.default_rng(seed)
    w, h = size_wh
    corners = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], dtype=np.float64)
    middle = corners.mean(axis=0)
    warps = []
    for _ in range(count):
        angle = np.deg2rad(rng.uniform(-options.max_angle_deg, options.max_angle_deg))
        scale = options.max_scale ** rng.uniform(-1, 1)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = (corners - middle) @ turn.T + middle
        moved += rng.uniform(-options.max_shift, options.max_shift, (4, 2)) * [w, h]
        warps.append(_from_corners(corners, moved))
    return torch.from_numpy(np.stack(warps)).float()


def _from_corners(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) homography that carries four points to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def apply_homographies(H: Tensor, points: Tensor) -> Tensor:
    """(B, 3, 3) and (B, N, 2) or (N, 2) pixels -> (B, N, 2) pixels; points at infinity come out far away."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1) @ H.transpose(1, 2)
    w = homogeneous[..., 2:]
    return homogeneous[..., :2] / torch.where(w.abs() < 1e-6, 1e-6, w)


def warp_images(images: Tensor, H: Tensor) -> Tensor:
    """(B, 3, H, W) images, (B, 3, 3) homographies -> warped images of the same size, black outside."""
    height, width = images.shape[-2:]
    v, u = torch.meshgrid(
        torch.arange(height, device=images.device), torch.arange(width, device=images.device), indexing="ij"
    )
    target = torch.stack([u, v], dim=-1).reshape(-1, 2).to(images)
    source = apply_homographies(torch.linalg.inv(H), target).unflatten(1, (height, width))
    scale = torch.tensor([width, height], device=images.device, dtype=images.dtype)
    grid = (2.0 * source + 1.0) / scale - 1.0  # align_corners=False: the image reaches from -1/2 to w - 1/2
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def vary_brightness(images: Tensor, share: float, seed: int) -> Tensor:
    """(B, 3, H, W) with gain and offset drawn for each image, in [0, 1]."""
    rng = np.random.default_rng([seed, 1])
    gain, offset = rng.uniform(-share, share, (2, len(images), 1, 1, 1))
    gain, offset = (torch.from_numpy(x).to(images) for x in (1.0 + gain, 0.5 * offset))
    return (images * gain + offset).clamp(0.0, 1.0)


def matching_loss(probability: Tensor, keypoints0: Tensor, keypoints1: Tensor, H: Tensor, radius_px: float) -> Tensor:
    """Negative log probability of the true matches.

    A cell's partner is the keypoint of the other image that is nearest to where its own one goes, if within the radius.

    Args:
        probability: (B, N0, N1) dual-softmax match probability.
        keypoints0, keypoints1: (B, N, 2) pixels. H: (B, 3, 3) image 1 from image 0.
        radius_px: pixels.

    Returns:
        Scalar; 0 where nothing corresponds.
    """
    distances = torch.cdist(apply_homographies(H, keypoints0.detach()), keypoints1.detach())
    nearest, partner = distances.min(dim=2)
    mutual = distances.argmin(dim=1).gather(1, partner) == torch.arange(distances.shape[1], device=H.device)
    true = mutual & (nearest < radius_px)
    chosen = probability.gather(2, partner[..., None])[..., 0]
    losses = -(chosen + 1e-9).log()
    return (losses * true).sum() / true.sum().clamp(min=1)

"""Depth at keypoints from a depth map of any resolution.

Pixel convention: the centre of the top-left pixel is (0, 0) in the image and in the depth map alike.
"""

import torch
from torch import Tensor

from mickey_hloc.geometry.camera import check_shape


def valid_depth(depths: Tensor) -> Tensor:
    """Where a depth is usable: finite and positive. Any shape, bool."""
    return torch.isfinite(depths) & (depths > 0)


def sample_depth_map(depth_map: Tensor, keypoints: Tensor, image_size: tuple[int, int] | None = None) -> Tensor:
    """Bilinear between four valid samples; the nearest valid one of the four at holes; NaN where there is none.

    A hole never bleeds into its neighbours: a weight is only ever given to valid samples.

    Args:
        depth_map: (H, W) metres; non-finite or <= 0 means unknown.
        keypoints: (N, 2) pixels of the image.
        image_size: (width, height) of the image where the map has another resolution; c' = s c + s/2 - 1/2.

    Returns:
        (N,) metres, float32, on the device of ``keypoints``; NaN where unknown or outside the image.
    """
    xy = _to_map(depth_map, keypoints, image_size)
    inside = _inside(depth_map, xy)
    depth_map = depth_map.to(device=xy.device, dtype=torch.float32)
    height, width = depth_map.shape
    limit = torch.tensor([width - 1, height - 1], device=xy.device)
    xy = torch.where(inside[:, None], xy, 0.0).clamp(min=0).minimum(limit.to(xy))
    # The upper-left neighbour stays one short of the border, so that the last pixel is a corner of a real quad.
    low = xy.floor().long().minimum((limit - 1).clamp(min=0))
    high = (low + 1).minimum(limit)
    x, y = torch.stack([low, high], dim=-1).unbind(dim=1)  # each (N, 2)
    corners_x, corners_y = x[:, [0, 1, 0, 1]], y[:, [0, 0, 1, 1]]
    corners = depth_map[corners_y, corners_x]  # (N, 4)
    valid = valid_depth(corners)
    fx, fy = (xy - low).clamp(0, 1).unbind(dim=-1)
    weights = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], dim=-1)
    bilinear = (weights * corners.where(valid, 0.0)).sum(dim=-1)
    distance = (corners_x - xy[:, :1]).square() + (corners_y - xy[:, 1:]).square()
    nearest = corners.gather(1, distance.masked_fill(~valid, torch.inf).argmin(dim=1, keepdim=True))[:, 0]
    depths = torch.where(valid.all(dim=-1), bilinear, nearest)
    return depths.masked_fill(~(inside & valid.any(dim=-1)), torch.nan)


def sample_truncated(depth_map: Tensor, keypoints: Tensor, image_size: tuple[int, int] | None = None) -> Tensor:
    """The sample at the truncated pixel, as the Map-free benchmark's baselines read depth; for comparison with them.

    Args, returns: as ``sample_depth_map``.
    """
    xy = _to_map(depth_map, keypoints, image_size)
    inside = _inside(depth_map, xy)
    pixel = torch.where(inside[:, None], xy, 0.0).long()
    depth_map = depth_map.to(device=xy.device, dtype=torch.float32)
    height, width = depth_map.shape
    depths = depth_map[pixel[:, 1].clamp(0, height - 1), pixel[:, 0].clamp(0, width - 1)]
    return depths.masked_fill(~(inside & valid_depth(depths)), torch.nan)


def resize_depth_map(depth_map: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The depth map at the image's resolution, sampled as ``sample_depth_map`` does.

    Args:
        depth_map: (h, w) metres; non-finite or <= 0 means unknown.
        image_size: (width, height) of the image.

    Returns:
        (H, W) metres, float32, NaN where unknown.
    """
    width, height = image_size
    depth_map = depth_map.float()
    if tuple(depth_map.shape) == (height, width):
        return depth_map.masked_fill(~valid_depth(depth_map), torch.nan)
    return sample_depth_map(depth_map, pixel_grid(image_size).to(depth_map), image_size).reshape(height, width)


def pixel_grid(image_size: tuple[int, int]) -> Tensor:
    """(height * width, 2) float32: the centre of every pixel of an image of (width, height), row by row."""
    width, height = image_size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2).float()


def _to_map(depth_map: Tensor, keypoints: Tensor, image_size: tuple[int, int] | None) -> Tensor:
    """(N, 2) float32: keypoints in pixels of the depth map."""
    check_shape("keypoints", keypoints, None, 2)
    if depth_map.ndim != 2 or depth_map.numel() == 0:
        raise ValueError(f"depth_map must have shape (H, W) and not be empty, got {tuple(depth_map.shape)}")
    xy = keypoints.float()
    if image_size is None:
        return xy
    height, width = depth_map.shape
    scale = torch.tensor([width / image_size[0], height / image_size[1]], device=xy.device)
    return xy * scale + (scale - 1) / 2


def _inside(depth_map: Tensor, xy: Tensor) -> Tensor:
    """(N,) bool: within the area that the pixels cover, half a pixel beyond the outer centres."""
    height, width = depth_map.shape
    slack = 1e-3  # a keypoint on the very edge must not be lost to rounding
    upper = torch.tensor([width, height], device=xy.device) - 0.5 + slack
    return ((xy >= -0.5 - slack) & (xy <= upper)).all(dim=-1)

"""Depth anywhere from depth at keypoints: MicKey's low-resolution map has one sample per 14 x 14 cell, at the keypoint.

The samples lie where the network put its keypoints, not on a regular grid, so the map is interpolated between the
keypoints themselves: a moving least-squares plane through the nearest samples (Lancaster and Salkauskas 1981) with the
compact weights of Franke and Nielson (1980). It meets every sample exactly and reproduces sloped planes; it works for
any subset of keypoints and needs no grid.
"""

import torch
from torch import Tensor

from mickey_hloc.depth.sampling import valid_depth
from mickey_hloc.geometry.camera import check_shape

SAME_PX = 1e-3  # a query this near a sample is that keypoint
CHUNK = 1 << 22  # distances held at once


def interpolate_depths(
    samples: Tensor, depths: Tensor, keypoints: Tensor, max_distance_px: float | None = None, neighbours: int = 8
) -> Tensor:
    """Depth at keypoints from depth at other keypoints of the same image.

    Args:
        samples: (M, 2) pixels, where depth is known.
        depths: (M,) metres; non-finite or <= 0 means unusable.
        keypoints: (N, 2) pixels, where depth is asked for.
        max_distance_px: farther from every usable sample the depth is unknown; default: twice the samples' spacing.
        neighbours: samples that a plane is laid through.

    Returns:
        (N,) metres, float32, NaN where unknown. A keypoint that is itself a sample gets that sample's own depth, NaN if
        unusable. Elsewhere never outside the range of the neighbours used.
    """
    check_shape("samples", samples, None, 2)
    check_shape("depths", depths, len(samples))
    check_shape("keypoints", keypoints, None, 2)
    keypoints = keypoints.float()
    samples, depths = samples.to(keypoints), depths.to(keypoints)
    placed = torch.isfinite(samples).all(dim=-1)
    samples, depths = samples[placed], depths[placed]
    valid = valid_depth(depths)
    if not bool(valid.any()):
        return torch.full((len(keypoints),), torch.nan, device=keypoints.device)
    if max_distance_px is None:
        max_distance_px = 2 * typical_spacing(samples)
    order, blocks = _blocks(keypoints, max_distance_px)
    result = torch.full((len(keypoints),), torch.nan, device=keypoints.device)
    for block in blocks:
        index = order[block]
        query = keypoints[index]
        near = _within(samples, query, max_distance_px)
        step = max(1, CHUNK // max(1, int(near.sum())))
        parts = [
            _block(samples[near], depths[near], valid[near], q, max_distance_px, neighbours) for q in query.split(step)
        ]
        result[index] = torch.cat(parts)
    return result


def typical_spacing(samples: Tensor) -> float:
    """Pixels between neighbouring samples, from the area that they cover; (M, 2) -> one number, inf for one sample."""
    if len(samples) < 2:
        return float("inf")
    extent = samples.amax(dim=0) - samples.amin(dim=0)
    # n samples in a row span n - 1 gaps, hence the square root of the count minus one
    side = max(len(samples) ** 0.5 - 1, 1.0)
    return float(extent.prod().sqrt() / side) or float(extent.max() / (len(samples) - 1)) or float("inf")


def _blocks(keypoints: Tensor, reach: float) -> tuple[Tensor, list[slice]]:
    """Sort keypoints into square tiles, so that each tile looks only at the samples around it."""
    finite = torch.isfinite(keypoints).all(dim=-1).nonzero()[:, 0]
    if len(finite) == 0:
        return finite, []
    if not reach < 1e6:
        return finite, [slice(0, len(finite))]
    tiles = (keypoints[finite] / max(2 * reach, 32.0)).floor().long()
    tiles = tiles - tiles.amin(dim=0)
    key = tiles[:, 1] * (tiles[:, 0].max() + 1) + tiles[:, 0]
    key, order = key.sort(stable=True)
    ends = torch.unique_consecutive(key, return_counts=True)[1].cumsum(0).tolist()
    return finite[order], [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _within(samples: Tensor, query: Tensor, reach: float) -> Tensor:
    low, high = query.amin(dim=0) - reach, query.amax(dim=0) + reach
    return ((samples >= low) & (samples <= high)).all(dim=-1)


def _block(samples: Tensor, depths: Tensor, valid: Tensor, query: Tensor, reach: float, neighbours: int) -> Tensor:
    """(N,) depths at (N, 2) query pixels from the (M, 2) samples around them."""
    unknown = torch.full((len(query),), torch.nan, device=query.device)
    if len(samples) == 0:
        return unknown
    # (N, M) squared distances, by differences: cdist's matrix product is not exact at 0
    squared = (query[:, :1] - samples[:, 0]).square_().add_((query[:, 1:] - samples[:, 1]).square_())
    own_squared, own = squared.min(dim=1)
    nearest, index = squared.masked_fill_(~valid, torch.inf).topk(min(neighbours + 1, len(samples)), largest=False)
    nearest = nearest.sqrt()
    # Weights fall to 0 at the last neighbour's distance, so that the surface has no steps where neighbours change.
    radius = nearest.masked_fill(~torch.isfinite(nearest), 0.0).amax(dim=1, keepdim=True) * 1.001 + 1e-6
    weights = ((radius - nearest).clamp(min=0) / (radius * nearest.clamp(min=SAME_PX))).square()
    plane = _plane_at(
        samples[index] - query[:, None], depths[index], weights.masked_fill(~torch.isfinite(nearest), 0.0)
    )
    plane = plane.masked_fill(nearest[:, 0] > reach, torch.nan)
    return torch.where(own_squared <= SAME_PX**2, depths[own].masked_fill(~valid[own], torch.nan), plane)


def _plane_at(offsets: Tensor, depths: Tensor, weights: Tensor) -> Tensor:
    """Value at offset 0 of the weighted plane through (N, k) depths at (N, k, 2) offsets, kept in their range."""
    depths = depths.where(weights > 0, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    mean_depth = (weights * depths).sum(dim=1)
    mean_offset = (weights[..., None] * offsets).sum(dim=1)
    dx, dz = offsets - mean_offset[:, None], depths - mean_depth[:, None]
    moments = torch.einsum("nk,nki,nkj->nij", weights, dx, dx)
    # The ridge turns the plane into the weighted mean where the samples lie on a line or a point and give no slope.
    ridge = 1e-3 * torch.diagonal(moments, dim1=1, dim2=2).sum(dim=1) + 1e-9
    moments = moments + ridge[:, None, None] * torch.eye(2, device=depths.device)
    slope = torch.linalg.solve(moments, torch.einsum("nk,nki,nk->ni", weights, dx, dz))
    value = mean_depth - (slope * mean_offset).sum(dim=1)
    low = depths.masked_fill(weights <= 0, torch.inf).amin(dim=1)
    high = depths.masked_fill(weights <= 0, -torch.inf).amax(dim=1)
    return value.maximum(low).minimum(high)

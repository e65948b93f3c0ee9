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
SLAB = 256  # tiles whose planes are computed together


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
    result = torch.full((len(keypoints),), torch.nan, device=keypoints.device)
    order, blocks = _blocks(keypoints, max_distance_px)
    for first in range(0, len(blocks), SLAB):
        slab = blocks[first : first + SLAB]
        found = [_nearest(samples, valid, keypoints[order[b]], max_distance_px, neighbours + 1) for b in slab]
        near, squared, own = (torch.cat(parts) for parts in zip(*found, strict=True))
        index = order[slab[0].start : slab[-1].stop]
        surface = _surface(samples, depths, keypoints[index], near, squared, max_distance_px)
        own_depths = depths[own.clamp(min=0)].masked_fill(~valid[own.clamp(min=0)], torch.nan)
        result[index] = torch.where(own >= 0, own_depths, surface)
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


def _nearest(samples: Tensor, valid: Tensor, query: Tensor, reach: float, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The usable samples nearest to (N, 2) query pixels.

    Returns:
        (N, count) indices and squared distances, infinite where fewer samples are within reach; and (N,) the index of
        the sample, usable or not, that the query coincides with, -1 where there is none.
    """
    low, high = query.amin(dim=0) - reach, query.amax(dim=0) + reach
    around = ((samples >= low) & (samples <= high)).all(dim=-1).nonzero()[:, 0]
    near, own = around.new_zeros((len(query), count)), around.new_full((len(query),), -1)
    squared = query.new_full((len(query), count), torch.inf)
    k = min(count, len(around))
    if k == 0:
        return near, squared, own
    x, y = samples[around].unbind(dim=-1)
    unusable = ~valid[around]
    for rows in torch.arange(len(query), device=query.device).split(max(1, CHUNK // len(around))):
        # by differences: cdist's matrix product is not exact at 0
        distances = (query[rows, :1] - x).square_().add_((query[rows, 1:] - y).square_())
        closest, own_place = distances.min(dim=1)
        own[rows] = torch.where(closest <= SAME_PX**2, around[own_place], -1)
        squared[rows, :k], place = distances.masked_fill_(unusable, torch.inf).topk(k, largest=False)
        near[rows, :k] = around[place]
    return near, squared.masked_fill(squared > reach**2, torch.inf), own


def _surface(samples: Tensor, depths: Tensor, query: Tensor, near: Tensor, squared: Tensor, reach: float) -> Tensor:
    """(N,) depths at (N, 2) query pixels from their (N, k) nearest samples; NaN where none is within reach."""
    distances = squared.sqrt()
    known = torch.isfinite(distances)
    # Weights fall to 0 at the last neighbour's distance, or at the reach where there are fewer neighbours, so that the
    # surface has no steps where neighbours change.
    last = distances.masked_fill(~known, 0.0).amax(dim=1, keepdim=True)
    radius = torch.where(known.all(dim=1, keepdim=True), last, (2 * last + 1).clamp(max=reach)) * 1.001 + 1e-6
    weights = ((radius - distances).clamp(min=0) / (radius * distances.clamp(min=SAME_PX))).square()
    plane = _plane_at(samples[near] - query[:, None], depths[near], weights.masked_fill(~known, 0.0))
    return plane.masked_fill(~known[:, 0], torch.nan)


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

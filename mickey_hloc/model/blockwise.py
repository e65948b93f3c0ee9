"""Mutual nearest neighbours under the match probability, without holding the N0 x N1 matrix.

At 4,000 keypoints a side one such matrix takes 64 MB and the softmax several of them; at the 60,000 of a 12 MP image it
would take 15 GB. Blocks of rows need the similarities twice, and memory in proportion to N1 only.
"""

import torch
from torch import Tensor

from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.model.matching import DualSoftmax


def match_blockwise(
    matcher: DualSoftmax,
    descriptors0: Tensor,
    descriptors1: Tensor,
    min_probability: float = 0.0,
    block_rows: int = 1024,
) -> tuple[Tensor, Tensor]:
    """The mutual nearest neighbours of ``matcher(descriptors0, descriptors1)`` (Eq. 3).

    Args:
        matcher: temperature and dustbin.
        descriptors0: (D, N0) unit length.
        descriptors1: (D, N1) unit length.
        min_probability: matches below it are left out.
        block_rows: keypoints of image 0 at a time.

    Returns:
        matches0 (N0,) int64, the index of the partner in image 1 or -1, and matching_scores0 (N0,), its probability
        or 0.

    Raises:
        ValueError: descriptors of different lengths.
    """
    check_shape("descriptors0", descriptors0, None, None)
    check_shape("descriptors1", descriptors1, len(descriptors0), None)
    n0, n1 = descriptors0.shape[1], descriptors1.shape[1]
    matches0 = descriptors0.new_full((n0,), -1, dtype=torch.int64)
    scores0 = descriptors0.new_zeros(n0)
    if 0 in (n0, n1):
        return matches0, scores0

    blocks = [slice(start, min(start + block_rows, n0)) for start in range(0, n0, block_rows)]
    rows, columns = _normalizers(matcher, descriptors0, descriptors1, blocks)
    best1 = descriptors1.new_full((n1,), -torch.inf)
    partner1 = torch.zeros(n1, dtype=torch.int64, device=descriptors1.device)
    for block in blocks:
        log_probability = 2 * _similarity(matcher, descriptors0[:, block], descriptors1) - rows[block, None] - columns
        best, matches0[block] = log_probability.max(dim=1)
        scores0[block] = best.exp()
        best, partner = log_probability.max(dim=0)
        better = best > best1
        best1 = torch.where(better, best, best1)
        partner1 = torch.where(better, partner + block.start, partner1)

    mutual = partner1[matches0] == torch.arange(n0, device=partner1.device)
    keep = mutual & (scores0 >= min_probability) & (scores0 > 0)
    return torch.where(keep, matches0, -1), torch.where(keep, scores0, 0.0)


def _normalizers(
    matcher: DualSoftmax, descriptors0: Tensor, descriptors1: Tensor, blocks: list[slice]
) -> tuple[Tensor, Tensor]:
    """Logarithms of the softmax sums of all rows (N0,) and columns (N1,), each with its dustbin."""
    dustbin = matcher.dustbin_score
    rows = []
    columns = dustbin.expand(descriptors1.shape[1])
    for block in blocks:
        similarity = _similarity(matcher, descriptors0[:, block], descriptors1)
        rows.append(torch.logaddexp(torch.logsumexp(similarity, dim=1), dustbin))
        columns = torch.logaddexp(columns, torch.logsumexp(similarity, dim=0))
    return torch.cat(rows), columns


def _similarity(matcher: DualSoftmax, descriptors0: Tensor, descriptors1: Tensor) -> Tensor:
    return descriptors0.T @ descriptors1 / matcher.temperature

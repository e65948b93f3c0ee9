"""From descriptors to matches: MicKey's dual softmax with a dustbin (Eq. 3), mutual nearest neighbours, ratio test."""

import torch
from torch import Tensor, nn


class DualSoftmax(nn.Module):
    """Match probability of every pair of keypoints.

    One learnable dustbin value stands for "no match" in every row and column; it takes probability away from pairs
    and is left out of the result.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature
        self.dustbin_score = nn.Parameter(torch.tensor(1.0))

    def forward(self, descriptors0: Tensor, descriptors1: Tensor) -> Tensor:
        """(B, D, N0) and (B, D, N1) descriptors of unit length -> (B, N0, N1) probabilities."""
        similarity = descriptors0.transpose(-1, -2) @ descriptors1 / self.temperature
        # exp(s - lse over the row with its dustbin) * exp(s - lse over the column with its): no padded copies.
        rows = torch.logaddexp(torch.logsumexp(similarity, dim=-1, keepdim=True), self.dustbin_score)
        columns = torch.logaddexp(torch.logsumexp(similarity, dim=-2, keepdim=True), self.dustbin_score)
        return torch.exp(2 * similarity - rows - columns)


def mutual_nearest_neighbours(probability: Tensor, min_probability: float = 0.0) -> tuple[Tensor, Tensor]:
    """Pairs that are each other's best match.

    Args:
        probability: (N0, N1) match probability or any similarity.
        min_probability: pairs below it are left out.

    Returns:
        matches (M, 2) int64 and their values (M,).
    """
    if 0 in probability.shape:
        return probability.new_zeros((0, 2), dtype=torch.int64), probability.new_zeros(0)
    best, partner = probability.max(dim=1)
    index = torch.arange(len(partner), device=partner.device)
    # The largest value of a column is found ten times as fast as its place; of rows that share it the first counts.
    is_best = (best == probability.amax(dim=0)[partner]) & (best >= min_probability) & (best > 0)
    first = torch.full_like(probability[0], len(index), dtype=torch.int64)
    first = first.scatter_reduce(0, partner[is_best], index[is_best], "amin")
    keep = is_best & (first[partner] == index)
    return torch.stack([index[keep], partner[keep]], dim=-1), best[keep]


def match_with_ratio_test(descriptors0: Tensor, descriptors1: Tensor, max_ratio: float) -> tuple[Tensor, Tensor]:
    """Mutual nearest neighbours by distance that pass the ratio test (Lowe, IJCV 2004) in both directions.

    Args:
        descriptors0, descriptors1: (D, N0) and (D, N1).
        max_ratio: best over second-best distance.

    Returns:
        matches (M, 2) int64 and scores (M,) in [0, 1]: 1 - ratio.
    """
    import kornia.feature  # slow to import, and only needed here

    if min(descriptors0.shape[1], descriptors1.shape[1]) < 2:  # a ratio needs a second neighbour
        return descriptors0.new_zeros((0, 2), dtype=torch.int64), descriptors0.new_zeros(0)
    ratios, matches = kornia.feature.match_smnn(descriptors0.T.contiguous(), descriptors1.T.contiguous(), max_ratio)
    return matches, 1 - ratios[:, 0].clamp(0, 1)

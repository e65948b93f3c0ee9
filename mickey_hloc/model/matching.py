"""Dual softmax with a dustbin: from descriptors to the probability of every match (MicKey Eq. 3)."""

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
    back = probability.argmax(dim=0)
    index = torch.arange(len(partner), device=partner.device)
    keep = (back[partner] == index) & (best >= min_probability) & (best > 0)
    return torch.stack([index[keep], partner[keep]], dim=-1), best[keep]

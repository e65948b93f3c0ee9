"""What chance explains: statistics on residuals, free of any solver.

The number of false alarms is the a-contrario test of Moisan and Stival, "A probabilistic criterion to detect rigid
point matches between two images", IJCV 2004, with the chance rate measured on the pair itself.
"""

import math

import torch
from torch import Tensor


def soft_inlier_count(residuals: Tensor, threshold: float, dim: int = -1) -> Tensor:
    """Sum of sigmoid(5/t (t - r)) over ``dim`` (MicKey section 3.1.2); differentiable. NaN residuals count 0."""
    return torch.sigmoid((5.0 / threshold) * (threshold - residuals)).nan_to_num(nan=0.0).sum(dim=dim)


def log10_false_alarms(
    residuals: Tensor,
    wrong_residuals: Tensor,
    threshold: float,
    minimal: int,
    distinct_share: float = 1.0,
    extrapolate: bool = False,
) -> float:
    """log10 NFA = min over k of log10[(M - m) C(M, k) C(k, m) alpha_k^(k - m)].

    This is the number of poses with as much support that are expected if all correspondences were wrong. alpha_k is the
    share of wrong pairs that agree as well as the k-th best correspondence does, so that many close inliers count for
    more than many at the threshold; the factor (M - m) pays for trying every k.

    Args:
        residuals: (M,) of the correspondences. wrong_residuals: (P,) of wrong pairs. NaN and inf agree with nothing.
        threshold: only residuals below it are inliers.
        minimal: m, the size of a minimal set, which always agrees with its own pose.
        distinct_share: share of the inliers that is distinct evidence; shrinks k and M.
        extrapolate: below the best of the wrong pairs let the chance rate fall in proportion to the residual, down to a
            thousandth; else few correspondences, which have few wrong pairs, can prove nothing however exact they are.

    Returns:
        inf when no more than m correspondences agree.
    """
    inliers = residuals[residuals < threshold].cpu().double().sort().values
    wrong = wrong_residuals[wrong_residuals < threshold].cpu().double().sort().values
    # One added to both counts: a rate of 0 cannot be measured with finitely many pairs.
    chance = (torch.searchsorted(wrong, inliers, right=True) + 1).double() / (len(wrong_residuals) + 1)
    best_wrong = float(wrong[0]) if len(wrong) else threshold
    if extrapolate and best_wrong > 0:
        chance = chance * (inliers / best_wrong).clamp(min=1e-3, max=1.0)
    k = torch.arange(1, len(inliers) + 1).double() * distinct_share
    total = torch.tensor(len(residuals) * distinct_share, dtype=torch.float64)
    enough = k > minimal
    if not bool(enough.any()):
        return math.inf
    k, chance = k[enough], chance[enough]
    tests = torch.log10(total - minimal) + _log10_binomial(total, k) + _log10_binomial(k, torch.full_like(k, minimal))
    return float((tests + (k - minimal) * torch.log10(chance)).min())


def _log10_binomial(n: Tensor, k: Tensor) -> Tensor:
    return (torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)) / math.log(10)


def wrong_pairs(correspondences: Tensor, generator: torch.Generator, max_pairs: int) -> Tensor:
    """Pairs of keypoints that the matcher did not match, from the keypoints that it did match.

    Args:
        correspondences: (M, 2) int64.
        generator: draws the pairs where there are more than ``max_pairs``.

    Returns:
        (P, 2) int64, P <= max_pairs: keypoint 0 of one correspondence with keypoint 1 of another.
    """
    count, device = len(correspondences), correspondences.device
    if count**2 <= max_pairs:
        rows = torch.arange(count, device=device)
        a, b = rows.repeat_interleave(count), rows.repeat(count)
    else:
        a = torch.randint(count, (max_pairs,), generator=generator, device=device)
        b = torch.randint(count, (max_pairs,), generator=generator, device=device)
    pairs = torch.stack([correspondences[a, 0], correspondences[b, 1]], dim=-1)
    stride = int(correspondences[:, 1].max()) + 1 if count else 1
    matched = torch.isin(pairs[:, 0] * stride + pairs[:, 1], correspondences[:, 0] * stride + correspondences[:, 1])
    return pairs[~matched]


def nearby_pairs(correspondences: Tensor, keypoints1: Tensor, neighbours: int = 8) -> Tensor:
    """Each keypoint of view 0 with the keypoints that lie nearest to its partner among the matched ones of view 1.

    Args:
        correspondences: (M, 2) int64. keypoints1: (N1, 2) pixels.

    Returns:
        (P, 2) int64, P <= M * neighbours.
    """
    count = len(correspondences)
    k = min(neighbours, count - 1)
    if k < 1:
        return correspondences[:0]
    partners = keypoints1[correspondences[:, 1]].double()
    distances = torch.cdist(partners, partners)
    distances.fill_diagonal_(math.inf)
    nearest = distances.topk(k, largest=False).indices
    pairs = torch.stack([correspondences[:, :1].expand(-1, k), correspondences[nearest, 1]], dim=-1).flatten(0, 1)
    return pairs[pairs[:, 1] != correspondences[:, 1].repeat_interleave(k)]


def num_distinct(keypoints0: Tensor, keypoints1: Tensor, cell_px: float) -> int:
    """How many cells of ``cell_px`` corresponding keypoints (M, 2) fill, in the image where they fill fewer.

    The same corner detected twice, or neighbouring pixels of a dense matcher, agree whether right or not.
    """
    return min(len(torch.unique(torch.floor(kp / cell_px), dim=0)) for kp in (keypoints0, keypoints1))

"""Pose hypotheses from correspondence sets: minimal sets drawn by weight, Kabsch, soft inlier counts (MicKey 3.1.2)."""

import torch
from torch import Tensor

from mickey_hloc.geometry import kabsch
from mickey_hloc.solvers.chance import soft_inlier_count

_SPARE_DRAWS = 5  # more than a minimal set are drawn with replacement, to have enough different ones


def draw_hypotheses(weights: Tensor, num_hypotheses: int, minimal: int, generator: torch.Generator) -> Tensor:
    """Minimal sets, drawn by probability without replacement: (Q, M) weights -> (Q, J, n) indices into a set."""
    num_sets, num = weights.shape
    draws = num_hypotheses * (minimal + _SPARE_DRAWS)
    cumulative = weights.double().cumsum(dim=-1)
    targets = torch.rand(num_sets, draws, dtype=torch.float64, device=weights.device, generator=generator)
    drawn = torch.searchsorted(cumulative, targets * cumulative[:, -1:], right=True).clamp(max=num - 1)
    drawn = drawn.unflatten(1, (num_hypotheses, -1))
    # Drawing with replacement and passing over what was drawn before is drawing without replacement.
    is_new = torch.ones_like(drawn, dtype=torch.bool)
    for k in range(1, drawn.shape[-1]):
        is_new[..., k] = (drawn[..., :k] != drawn[..., k : k + 1]).all(dim=-1)
    first = is_new.to(torch.uint8).sort(dim=-1, descending=True, stable=True).indices[..., :minimal]
    sets = drawn.gather(-1, first)
    found = is_new.sum(dim=-1)
    for q, j in (found < minimal).nonzero().tolist():  # rare: a few heavy correspondences
        count = int(found[q, j])
        others = weights[q].clamp(min=torch.finfo(weights.dtype).tiny)  # all were drawn with a probability above 0
        others[sets[q, j, :count]] = 0.0
        sets[q, j, count:] = torch.multinomial(others / others.max(), minimal - count, generator=generator)
    return sets


def soft_residuals(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """sqrt(|R X + t - Y|^2 + 1e-6) for (..., 3, 3), (..., 3) and points (..., M, 3): (..., M) metres."""
    offsets = torch.baddbmm(t[..., :, None], R, X.mT) - Y.mT if R.dim() == 3 else R @ X.mT + t[..., :, None] - Y.mT
    return (offsets.square().sum(dim=-2) + 1e-6).sqrt_()


def best_of_each_set(
    X: Tensor, Y: Tensor, hypotheses: Tensor, threshold: float, max_elements: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The hypothesis with the highest soft inlier count in each set: (Q, M, 3) points -> R, t and the count."""
    index = torch.arange(len(X), device=X.device)[:, None, None]
    R, t = kabsch(X[index, hypotheses], Y[index, hypotheses])
    step = max(max_elements // X.shape[1], 1)
    scores = torch.empty(R.shape[:2], device=R.device)
    for q in range(len(X)):
        for j in range(0, R.shape[1], step):
            residuals = _residuals_of_many(R[q, j : j + step], t[q, j : j + step], X[q], Y[q])
            scores[q, j : j + step] = soft_inlier_count(residuals, threshold)
    best = scores.argmax(dim=1)
    rows = torch.arange(len(X), device=X.device)
    return R[rows, best], t[rows, best], scores[rows, best]


def _residuals_of_many(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Residuals of J poses on the same M points: (J, 3, 3), (J, 3), (M, 3) -> (J, M), as one matrix product."""
    homogeneous = torch.cat([X, torch.ones_like(X[:, :1])], dim=1)
    moved = torch.cat([R, t[..., None]], dim=-1).flatten(0, 1) @ homogeneous.mT
    offsets = moved.unflatten(0, (len(R), 3)).sub_(Y.mT)
    return offsets.square_().sum(dim=1).add_(1e-6).sqrt_()

"""Sets of correspondences drawn from the correspondence probability of each pair (MicKey section 3.1)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mickey_hloc.geometry import backproject
from mickey_hloc.solvers.sampling import sample_without_replacement

# A depth beyond this is not a measurement; squares of such residuals would overflow float32.
MAX_DEPTH_M = 1e6


class CorrespondenceSets(NamedTuple):
    """What was drawn for a batch of B pairs; recorded samples can be passed in this form too.

    Attributes:
        cells: (B, Q, k) int64, indices into each pair's flattened (N0, N1) probability.
        minimal: (B, Q, J, n) int64, indices into the k cells: the first correspondences of each hypothesis.
        drawn: (B, Q, k) bool, False where a pair had fewer than k cells of positive probability to draw; None = all.
    """

    cells: Tensor
    minimal: Tensor
    drawn: Tensor | None = None


def draw_sets(
    probability: Tensor | Sequence[Tensor],
    num_sets: int,
    num_samples: int,
    num_hypotheses: int,
    sample_size: int,
    generators: Sequence[torch.Generator],
) -> CorrespondenceSets:
    """Draw Q sets of k correspondences without replacement, then J x n of each set, both by probability.

    Args:
        probability: (B, N0, N1) or B tensors (N0, N1), >= 0, not normalised; sizes may differ. A pair whose
            probability is not finite gets nothing drawn.
        num_sets, num_samples, num_hypotheses, sample_size: Q, k, J, n.
        generators: one per pair, on the probability's device.

    Returns:
        The sets. Without gradient.
    """
    cells, minimal, drawn = [], [], []
    with torch.no_grad():
        for P, generator in zip(probability, generators, strict=True):
            pair_cells = torch.zeros(num_sets, num_samples, dtype=torch.int64, device=P.device)
            pair_drawn = torch.zeros(num_sets, num_samples, dtype=torch.bool, device=P.device)
            if bool(torch.isfinite(P.sum())):
                some = sample_without_replacement(P.detach(), num_sets, num_samples, generator)
                pair_cells[:, : some.shape[1]] = some
                pair_drawn[:, : some.shape[1]] = True
            weights = torch.where(pair_drawn, P.detach().flatten()[pair_cells], 0.0)
            cells.append(pair_cells)
            drawn.append(pair_drawn)
            minimal.append(_draw_minimal(weights, num_hypotheses, sample_size, generator))
    return CorrespondenceSets(torch.stack(cells), torch.stack(minimal), torch.stack(drawn))


def _draw_minimal(weights: Tensor, num_hypotheses: int, sample_size: int, generator: torch.Generator) -> Tensor:
    """(Q, k) weights -> (Q, J, n) int64 without replacement: the n first arrivals of an exponential race."""
    shape = (weights.shape[0], num_hypotheses, weights.shape[1])
    arrival = torch.empty(shape, dtype=weights.dtype, device=weights.device).exponential_(generator=generator)
    arrival = arrival / weights[:, None]  # infinite where the weight is zero: these come last
    return arrival.nan_to_num(nan=torch.inf, posinf=torch.inf).topk(sample_size, dim=-1, largest=False).indices


class LiftedSets(NamedTuple):
    """The drawn correspondences in space.

    Attributes:
        X, Y: (B, Q, k, 3) points of camera 0 and camera 1, metres, finite everywhere; with gradient.
        log_probability: (B, Q, k) log(P + 1e-16) of the drawn cells; with gradient.
        usable: (B, Q, k) bool, drawn and with finite keypoints and depths on both sides.
    """

    X: Tensor
    Y: Tensor
    log_probability: Tensor
    usable: Tensor


def take(values: Tensor | Sequence[Tensor], index: Tensor) -> Tensor:
    """Entries of each pair's tensor: (B, N, ...) or B tensors (N, ...), index (B, Q, k) -> (B, Q, k, ...)."""
    if isinstance(values, Tensor):  # one gather, hence one gradient buffer for the batch
        return values[torch.arange(len(index), device=index.device)[:, None, None], index]
    return torch.stack([value[i] for value, i in zip(values, index, strict=True)])


def lift_sets(
    sets: CorrespondenceSets,
    probability: Tensor | Sequence[Tensor],
    keypoints: tuple[Tensor | Sequence[Tensor], Tensor | Sequence[Tensor]],
    depths: tuple[Tensor | Sequence[Tensor], Tensor | Sequence[Tensor]],
    K: tuple[Tensor, Tensor],
) -> LiftedSets:
    """Gather the drawn cells of each pair and back-project their keypoints.

    Args:
        sets: the drawn cells.
        probability: (B, N0, N1) or B tensors (N0, N1).
        keypoints: per side, (B, N, 2) or B tensors (N, 2), pixels.
        depths: per side, (B, N) or B tensors (N,), metres; may be negative, which the loss must be able to correct.
        K: per side, (B, 3, 3).
    """
    points, finite = [], []
    columns = torch.tensor([P.shape[1] for P in probability], device=sets.cells.device)[:, None, None]
    for side, index in enumerate((sets.cells // columns, sets.cells % columns)):
        pixels, metres = take(keypoints[side], index), take(depths[side], index)
        ok = torch.isfinite(pixels).all(dim=-1) & (metres.abs() < MAX_DEPTH_M)
        # Replaced before any arithmetic: a NaN would reach every gradient of its set, even with weight zero.
        pixels = torch.where(ok[..., None], pixels, 0.0)
        metres = torch.where(ok, metres, 0.0)
        points.append(backproject(pixels, metres, K[side].to(pixels)[:, None]))
        finite.append(ok)
    flat = probability.flatten(1) if isinstance(probability, Tensor) else [P.flatten() for P in probability]
    at_cells = take(flat, sets.cells)
    usable = finite[0] & finite[1] & torch.isfinite(at_cells)
    if sets.drawn is not None:
        usable = usable & sets.drawn
    log_probability = torch.where(usable, at_cells, 1.0).add(1e-16).log()
    return LiftedSets(points[0], points[1], log_probability, usable)

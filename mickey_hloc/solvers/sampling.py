"""Weighted sampling without replacement from very large sets."""

import math

import torch
from torch import Tensor

_STRIDE = 61  # between the weights of the sample; prime, so that it does not fall on the same columns of a matrix
_BLOCK = 16  # light cells are first drawn in blocks of so many, whose sums fit in a processor's cache


def sample_without_replacement(weights: Tensor, num_sets: int, num_samples: int, generator: torch.Generator) -> Tensor:
    """Draw sets of distinct cells, one after the other by weight, without replacement inside a set.

    The same distribution as ``torch.multinomial(weights.expand(num_sets, -1), num_samples)``, without its limit of
    2^24 cells and without a copy of the weights per set: cells are imagined to ring at exponential times with their
    weight as rate, and the first ``num_samples`` cells to ring form the set. The heaviest cells get a time each; the
    many light ones are simulated together, as one process that rings at the sum of their rates.

    Args:
        weights: any shape, flattened; finite and >= 0. They need not sum to 1.
        num_sets: Q independent sets.
        num_samples: k, the size of a set; all cells of positive weight where there are fewer.
        generator: on the device of the weights.

    Returns:
        (Q, k) int64 indices into the flattened weights, in the order drawn.

    Raises:
        ValueError: a weight is negative or not finite.
    """
    flat = weights.detach().flatten()
    flat = flat if flat.dtype == torch.float64 else flat.float()  # half precision cannot hold the sum of many
    if not is_weight(flat):
        raise ValueError("sampling weights must be finite and not negative")
    num_positive = int(torch.count_nonzero(flat))
    k = min(num_samples, num_positive)
    if k == 0:
        return torch.zeros((num_sets, 0), dtype=torch.int64, device=flat.device)
    heavy_weights, heavy_cells = heaviest(flat, min(num_positive, 8 * k))
    unit = heavy_weights[-1]  # light weights are at most 1 in it, so that their sum is finite
    times = _exponential((num_sets, len(heavy_cells)), flat, generator) / (heavy_weights.double() / unit.double())
    heavy_times, first = times.topk(k, largest=False)
    heavy_rings = heavy_times, heavy_cells[first]
    if len(heavy_cells) == num_positive:
        return heavy_rings[1]
    light = flat.new_zeros(-(-len(flat) // _BLOCK) * _BLOCK)
    torch.div(flat, unit, out=light[: len(flat)])
    light[heavy_cells] = 0.0
    blocks = light.view(-1, _BLOCK)
    # The set is full at the latest when k heavy cells have rung, and seldom more light ones ring before than expected;
    # nor are more than k needed but for repeats, which are rare as all are light.
    expected = float(blocks.sum() * heavy_times.max())
    num_rings = min(math.ceil(expected + 6 * math.sqrt(expected)) + 8, 2 * k)
    rings = _light_rings(blocks, num_sets, num_rings, generator)
    while True:
        cells, complete = _first_to_ring(*heavy_rings, *rings, k)
        if complete:
            return cells
        times, more = _light_rings(blocks, num_sets, num_rings, generator)
        rings = torch.cat([rings[0], times + rings[0][:, -1:]], dim=1), torch.cat([rings[1], more], dim=1)


def is_weight(values: Tensor) -> bool:
    """Whether all values are finite and not negative."""
    if not values.numel():
        return True
    low, high = torch.aminmax(values)
    return float(low) >= 0 and float(high) < math.inf  # not of NaN


def heaviest(weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``torch.topk`` of very many weights (N,): values, descending, and their places (count,).

    Every 61st weight tells from about where on a weight belongs to the heaviest; among those that reach this, which are
    few, they are looked for. Where the guess was wrong, among all.
    """
    sample = weights[::_STRIDE]
    guess = 3 * count // (2 * _STRIDE) + 16
    if guess < len(sample):
        floor = torch.topk(sample, guess, sorted=False).values.min()
        reach = (weights >= floor).nonzero()[:, 0]
        if count <= len(reach) < len(weights) // 4:
            found = torch.topk(weights[reach], count)
            return found.values, reach[found.indices]
    found = torch.topk(weights, count)
    return found.values, found.indices


def _exponential(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    times = torch.empty(shape, dtype=torch.float64, device=like.device)
    return times.exponential_(generator=generator)


def _light_rings(blocks: Tensor, num_sets: int, num_rings: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Times, ascending, and cells of the rings of the light process: both (num_sets, num_rings).

    A block is drawn by its sum, then a cell in it: a search in all cells' cumulative sum would miss the cache.
    """
    cumulative = blocks.sum(dim=1).cumsum(0, dtype=torch.float64)
    total = cumulative[-1]
    times = _exponential((num_sets, num_rings), cumulative, generator).cumsum(dim=1) / total
    targets = torch.rand(times.shape, dtype=torch.float64, device=times.device, generator=generator) * total
    block = torch.searchsorted(cumulative, _below(targets, total), right=True)
    block = block.clamp(max=len(blocks) - 1)  # where all light weights are too small to count, and never ring
    weights = blocks[block].cumsum(dim=-1)
    inside = torch.rand(times.shape, device=times.device, generator=generator) * weights[..., -1]
    within = (weights <= _below(inside, weights[..., -1])[..., None]).sum(dim=-1)
    return times, block * _BLOCK + within


def _below(values: Tensor, limit: Tensor) -> Tensor:
    """Values that rounding may have brought up to the limit, below it."""
    return torch.minimum(values, torch.nextafter(limit, torch.zeros_like(limit)))


def _first_to_ring(
    heavy_times: Tensor, heavy_cells: Tensor, ring_times: Tensor, ring_cells: Tensor, k: int
) -> tuple[Tensor, bool]:
    """The k distinct cells that ring first, per set, and whether the light rings reach far enough to know.

    A light cell counts when it rings for the first time.
    """
    ordered, order = ring_cells.sort(dim=1, stable=True)
    follows_itself = torch.zeros_like(ordered, dtype=torch.bool)
    follows_itself[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    is_repeat = torch.zeros_like(follows_itself).scatter(1, order, follows_itself)
    times = torch.cat([heavy_times, ring_times.masked_fill(is_repeat, torch.inf)], dim=1)
    first_times, first = times.topk(k, largest=False)
    cells = torch.cat([heavy_cells, ring_cells], dim=1).gather(1, first)
    return cells, bool((first_times[:, -1] <= ring_times[:, -1]).all())

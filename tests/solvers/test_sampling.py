"""Weighted sampling without replacement: the distribution, the sizes, the limits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.solvers.sampling import heaviest, sample_without_replacement


def _draw(weights, num_sets, num_samples, seed=0):
    return sample_without_replacement(weights, num_sets, num_samples, torch.Generator().manual_seed(seed))


@given(st.integers(1, 400), st.integers(1, 50), st.integers(0, 2**31))
def test_sets_are_distinct_cells_of_positive_weight(num_cells: int, num_samples: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(num_cells, generator=generator) ** 8
    weights[torch.rand(num_cells, generator=generator) < 0.3] = 0.0
    cells = _draw(weights, 3, num_samples, seed)
    expected = min(num_samples, int((weights > 0).sum()))
    assert cells.shape == (3, expected)
    assert all(len(set(row.tolist())) == expected for row in cells)
    assert bool((weights[cells] > 0).all())


@pytest.mark.parametrize(("num_cells", "power"), [(400, 0), (400, 2), (400, 12), (8000, 12), (8000, 40)])
def test_the_distribution_is_that_of_multinomial(num_cells: int, power: int) -> None:
    """Both how often a cell is drawn and how often it comes first agree; 400 cells use the light process too.

    Of 8000, the heaviest are found among those that reach a sample's.
    """
    num_sets, num_samples = 40_000, 4
    weights = torch.rand(num_cells, generator=torch.Generator().manual_seed(1)) ** power
    ours = _draw(weights, num_sets, num_samples)
    generator = torch.Generator().manual_seed(2)
    theirs = torch.multinomial(weights.expand(num_sets, -1), num_samples, generator=generator)
    for a, b in ((ours.flatten(), theirs.flatten()), (ours[:, 0], theirs[:, 0]), (ours[:, -1], theirs[:, -1])):
        count_a, count_b = (torch.bincount(x, minlength=num_cells).double() for x in (a, b))
        often = (count_a + count_b) > 20
        chi2 = ((count_a - count_b).square() / (count_a + count_b))[often].sum()
        degrees = int(often.sum())
        assert chi2 < degrees + 5 * (2 * degrees) ** 0.5


@pytest.mark.parametrize("layout", ["random", "diagonal", "rows", "ties", "steps"])
def test_the_heaviest_are_those_of_topk(layout: str) -> None:
    """Whether the guess from the sample is right (random) or not (one row has all the weight, all are equal)."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(300, 305, generator=generator) ** 4  # a multiple of the sample's stride
    if layout == "diagonal":
        weights.diagonal().add_(1.0)
    if layout == "rows":
        weights[7] += 1.0
    if layout == "ties":
        weights = torch.ones(300, 305)
    if layout == "steps":
        weights = torch.randint(0, 5, (300, 305), generator=generator).float()
    flat = weights.flatten()
    for count in (1, 100, 3000, len(flat)):
        values, places = heaviest(flat, count)
        assert torch.equal(values, flat.topk(count).values)
        assert torch.equal(flat[places], values)
        assert len(set(places.tolist())) == count


def test_the_first_draw_follows_the_weights() -> None:
    weights = torch.tensor([1.0, 2.0, 0.0, 7.0])
    first = _draw(weights, 50_000, 1)[:, 0]
    torch.testing.assert_close(torch.bincount(first, minlength=4) / 50_000, weights / 10, atol=0.01, rtol=0)


def test_more_cells_than_multinomial_can_take() -> None:
    """2^24 is torch.multinomial's limit. All mass but a trace lies on 100 cells at the far end."""
    weights = torch.full((5000 * 5000,), 1e-12)
    weights[-100:] = 1.0
    cells = _draw(weights, 2, 300)
    assert cells.shape == (2, 300)
    for row in cells:
        assert len(set(row.tolist())) == 300
        assert int((row >= len(weights) - 100).sum()) == 100
        assert int(row.min()) < len(weights) // 2  # light cells from the near half are reached as well


def test_the_same_seed_gives_the_same_sets() -> None:
    weights = torch.rand(300, 300, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_draw(weights, 5, 100, seed=3), _draw(weights, 5, 100, seed=3))
    assert not torch.equal(_draw(weights, 5, 100, seed=3), _draw(weights, 5, 100, seed=4))


def test_nothing_to_draw_from() -> None:
    assert _draw(torch.zeros(10), 2, 3).shape == (2, 0)
    assert _draw(torch.zeros(0), 2, 3).shape == (2, 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_impossible_weights_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        _draw(torch.tensor([1.0, bad]), 1, 1)


def test_weights_too_small_to_count_beside_the_others_are_not_drawn() -> None:
    weights = torch.full((4000,), 1e-30)
    weights[:80] = 1e30  # in their unit the others are 0 in float32
    assert int(_draw(weights, 5, 10).max()) < 80


def test_half_precision_does_not_overflow_in_the_sum() -> None:
    weights = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0)).half()
    sets = sample_without_replacement(weights, 2, 50, torch.Generator().manual_seed(1))
    assert sets.shape == (2, 50)
    assert bool((weights[sets] > 0).all())

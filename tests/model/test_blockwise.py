"""Matching block by block gives what the whole matrix gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.model.blockwise import match_blockwise
from mickey_hloc.model.matching import DualSoftmax, mutual_nearest_neighbours


def unit_descriptors(d: int, n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(d, n, generator=generator, dtype=torch.float64), dim=0)


@settings(max_examples=30, deadline=None)
@given(
    n0=st.integers(1, 70),
    n1=st.integers(1, 70),
    block_rows=st.integers(1, 80),
    dustbin=st.floats(-3, 12),
    threshold=st.sampled_from([0.0, 1e-3, 0.05]),
    seed=st.integers(0, 10**6),
)
def test_equals_the_whole_matrix(
    n0: int, n1: int, block_rows: int, dustbin: float, threshold: float, seed: int
) -> None:
    matcher = DualSoftmax(0.1).double().requires_grad_(False)
    matcher.dustbin_score.fill_(dustbin)
    a, b = unit_descriptors(8, n0, seed), unit_descriptors(8, n1, seed + 1)
    matches, values = mutual_nearest_neighbours(matcher(a[None], b[None])[0], threshold)

    matches0, scores0 = match_blockwise(matcher, a, b, threshold, block_rows)

    expected = torch.full((n0,), -1)
    expected[matches[:, 0]] = matches[:, 1]
    assert torch.equal(matches0, expected)
    torch.testing.assert_close(scores0[matches[:, 0]], values)
    assert (scores0[matches0 < 0] == 0).all()


@pytest.mark.parametrize(("n0", "n1"), [(0, 5), (5, 0), (0, 0)])
def test_no_keypoints_no_matches(n0: int, n1: int) -> None:
    matches0, scores0 = match_blockwise(DualSoftmax(), torch.zeros(8, n0), torch.zeros(8, n1))
    assert matches0.tolist() == [-1] * n0
    assert scores0.tolist() == [0] * n0


def test_refuses_descriptors_of_two_kinds() -> None:
    with pytest.raises(ValueError, match="descriptors1"):
        match_blockwise(DualSoftmax(), torch.zeros(8, 3), torch.zeros(16, 3))

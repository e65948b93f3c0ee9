"""Masked Kabsch solves and the refinement of hypotheses."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mickey_hloc.geometry import kabsch, transform
from mickey_hloc.training.hypotheses import refined_hypotheses, soft_inlier_counts, solve_masked


def random_motion(g: torch.Generator) -> tuple[Tensor, Tensor]:
    R, _ = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64))
    return R * torch.linalg.det(R).sign(), torch.randn(3, generator=g, dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), distance=st.floats(0, 50))
def test_masked_solve_is_kabsch_on_the_masked_points(seed: int, distance: float) -> None:
    g = torch.Generator().manual_seed(seed)
    X, Y = torch.randn(2, 3, 12, 3, generator=g, dtype=torch.float64).add(distance).unbind(0)
    mask = torch.rand(3, 5, 12, generator=g) < 0.7
    mask[..., :4] = True
    R, t, determined = solve_masked(X, Y, mask)
    R_ref, t_ref = kabsch(X[:, None].expand(3, 5, 12, 3), Y[:, None].expand(3, 5, 12, 3), mask)
    assert torch.allclose(R, R_ref, atol=1e-6)
    assert torch.allclose(t, t_ref, atol=1e-5 * (1 + distance))
    assert determined.all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), reflect=st.booleans())
def test_degenerate_sets_are_recognised(seed: int, reflect: bool) -> None:
    g = torch.Generator().manual_seed(seed)
    R, t = random_motion(g)
    direction = torch.randn(3, generator=g, dtype=torch.float64)
    line = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None] * direction + torch.tensor([0.0, 0.0, 3.0])
    spot = torch.ones(8, 3, dtype=torch.float64)
    plane = torch.randn(8, 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 1.0, 0.0])
    X = torch.stack([line, spot, plane])
    Y = transform(R, t, X) * (torch.tensor([1.0, 1.0, -1.0]) if reflect else 1.0)
    for dtype in (torch.float64, torch.float32):
        _, _, determined = solve_masked(X.to(dtype), Y.to(dtype), torch.ones(3, 1, 8, dtype=torch.bool))
        assert determined[:, 0].tolist() == [False, False, True]


def test_refinement_finds_all_inliers_of_a_true_motion() -> None:
    g = torch.Generator().manual_seed(0)
    R, t = random_motion(g)
    X = torch.randn(1, 40, 3, generator=g, dtype=torch.float64)
    Y = transform(R, t, X)
    Y[:, 30:] += 2.0
    minimal = torch.tensor([[[0, 1, 2, 3], [30, 31, 2, 3]]])
    usable = torch.ones(1, 40, dtype=torch.bool)
    usable[0, 29] = False
    found = refined_hypotheses(X, Y, usable, minimal, 0.15, 4)
    assert found.support[0, 0].nonzero()[:, 0].tolist() == [0, 1, 2, 3]  # which already gave the best pose
    assert torch.allclose(found.R[0, 0], R, atol=1e-9)
    assert torch.allclose(found.t[0, 0], t, atol=1e-9)
    scores = soft_inlier_counts(found.R, found.t, X, Y, usable, 0.3)
    assert 28.5 < scores[0, 0] <= 29.0  # the ten moved ones and the unusable one count nothing
    unusable_start = refined_hypotheses(X, Y, usable, torch.tensor([[[0, 1, 2, 29]]]), 0.15, 4)
    assert not unusable_start.valid.any()
    once = refined_hypotheses(X, Y, usable, minimal, 0.15, 0)
    assert once.support.sum(dim=-1).tolist() == [[4, 4]]

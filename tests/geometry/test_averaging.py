"""Medians and means of poses: optimality against perturbations, equivariance, outliers, wrong input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.geometry.averaging import chordal_mean, fuse_poses, geometric_median, rotation_median
from mickey_hloc.geometry.rigid import nearest_rotation, rotation_angle_deg, skew

seeds = st.integers(0, 10_000)


def make(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotations(n: int, spread_deg: float, generator: torch.Generator) -> torch.Tensor:
    """n rotations around a random one, within about spread_deg."""
    centre = nearest_rotation(randn(3, 3, generator=generator))
    return torch.linalg.matrix_exp(skew(randn(n, 3, generator=generator) * math.radians(spread_deg) / 2)) @ centre


def estimates(n: int, outliers: int, generator: torch.Generator, angle_deg: float = 2.0, distance: float = 0.05):
    """A true pose and n noisy estimates of it, the last ``outliers`` of which have nothing to do with it."""
    R_true = nearest_rotation(randn(3, 3, generator=generator))
    c_true = randn(3, generator=generator) * 2
    noise = randn(n, 3, generator=generator) * math.radians(angle_deg) / math.sqrt(3)
    R = torch.linalg.matrix_exp(skew(noise)) @ R_true
    c = c_true + randn(n, 3, generator=generator) * distance / math.sqrt(3)
    if outliers:
        R[-outliers:] = nearest_rotation(randn(outliers, 3, 3, generator=generator))
        c[-outliers:] = randn(outliers, 3, generator=generator) * 3
    return R_true, c_true, R, -(R @ c[..., None])[..., 0]


def position(R, t):
    return -(R.transpose(-1, -2) @ t[..., None])[..., 0]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(1, 9))
def test_no_other_point_is_better_than_the_geometric_median(seed, n):
    g = make(seed)
    points, weights = randn(n, 3, generator=g), torch.rand(n, generator=g, dtype=torch.float64) + 0.01
    median = geometric_median(points, weights)

    def cost(p):
        return (weights * torch.linalg.vector_norm(points - p, dim=-1)).sum()

    for candidate in [*points, *(median + 1e-3 * randn(20, 3, generator=g))]:
        assert cost(median) <= cost(candidate) + 1e-7


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(1, 9))
def test_no_other_rotation_is_better_than_the_median(seed, n):
    g = make(seed)
    R, weights = rotations(n, 20.0, g), torch.rand(n, generator=g, dtype=torch.float64) + 0.01
    median = rotation_median(R, weights)

    def cost(A):
        return (weights * rotation_angle_deg(A.T @ R)).sum()

    nearby = torch.linalg.matrix_exp(skew(1e-3 * randn(20, 3, generator=g))) @ median
    for candidate in [*R, *nearby]:
        assert cost(median) <= cost(candidate) + 1e-5
    torch.testing.assert_close(median @ median.T, torch.eye(3, dtype=torch.float64))


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_averages_move_with_their_elements(seed):
    g = make(seed)
    R, points = rotations(6, 20.0, g), randn(6, 3, generator=g)
    A, b = nearest_rotation(randn(3, 3, generator=g)), randn(3, generator=g)
    torch.testing.assert_close(geometric_median(points @ A.T + b), A @ geometric_median(points) + b, atol=1e-6, rtol=0)
    for average in (chordal_mean, rotation_median):
        torch.testing.assert_close(average(A @ R), A @ average(R), atol=1e-6, rtol=0)


def test_a_median_stays_with_the_majority():
    points = torch.tensor([[0.0, 0, 0]] * 3 + [[9.0, 0, 0]] * 2, dtype=torch.float64)
    torch.testing.assert_close(geometric_median(points), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    weights = torch.tensor([1.0, 0, 0, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(geometric_median(points, weights), points[3], atol=1e-9, rtol=0)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, n=st.integers(3, 9))
def test_fusion_of_equal_estimates_is_the_estimate(seed, n):
    g = make(seed)
    R, t = nearest_rotation(randn(3, 3, generator=g)), randn(3, generator=g)
    R_fused, t_fused, inliers = fuse_poses(R.expand(n, 3, 3), t.expand(n, 3), torch.rand(n, generator=g) + 0.1)
    torch.testing.assert_close(R_fused, R)
    torch.testing.assert_close(t_fused, t)
    assert inliers.all()


def test_fusion_beats_single_estimates_with_and_without_outliers():
    g = make(1)
    single, fused = [], []
    for outliers in [0, 3, 5] * 40:
        R_true, c_true, R, t = estimates(9, outliers, g)
        order = torch.randperm(9, generator=g)
        R_f, t_f, inliers = fuse_poses(R[order], t[order])
        truth = torch.zeros(9, dtype=torch.bool)
        truth[: 9 - outliers] = True
        assert (inliers == truth[order]).sum() >= 8
        for errors, (R_e, t_e) in ((single, (R[order[0]], t[order[0]])), (fused, (R_f, t_f))):
            distance = torch.linalg.vector_norm(position(R_e, t_e) - c_true)
            errors.append([rotation_angle_deg(R_true.T @ R_e), distance])
    single, fused = torch.tensor(single), torch.tensor(fused)
    assert (fused.median(dim=0).values < 0.65 * single.median(dim=0).values).all()
    assert (fused.max(dim=0).values < torch.tensor([4.0, 0.12])).all()


def test_weights_decide_between_two_groups():
    g = make(2)
    _, _, R, t = estimates(5, 0, g)
    _, _, R_other, t_other = estimates(4, 0, g)
    R, t = torch.cat([R, R_other]), torch.cat([t, t_other])
    weights = torch.tensor([0.1] * 5 + [1.0] * 4, dtype=torch.float64)
    assert fuse_poses(R, t)[2].tolist() == [True] * 5 + [False] * 4
    assert fuse_poses(R, t, weights)[2].tolist() == [False] * 5 + [True] * 4
    weights[5:] = 0
    assert fuse_poses(R, t, weights)[2].tolist() == [True] * 5 + [False] * 4


def test_unusable_estimates_are_left_out():
    _, _, R, t = estimates(4, 0, make(3))
    R, t = R.clone(), t.clone()
    R[0, 0, 0], t[1, 2] = float("nan"), float("inf")
    R_fused, t_fused, inliers = fuse_poses(R, t)
    assert inliers.tolist() == [False, False, True, True]
    assert torch.isfinite(R_fused).all()
    assert torch.isfinite(t_fused).all()


def test_float32_and_one_estimate():
    _, _, R, t = estimates(1, 0, make(4))
    R_fused, t_fused, inliers = fuse_poses(R.float(), t.float())
    assert R_fused.dtype == t_fused.dtype == torch.float32
    torch.testing.assert_close(R_fused, R[0].float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(t_fused, t[0].float(), atol=1e-5, rtol=0)
    assert inliers.tolist() == [True]


def test_wrong_input():
    R, t = torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="no usable estimate"):
        fuse_poses(R, t * float("nan"))
    with pytest.raises(ValueError, match="must not be negative"):
        fuse_poses(R, t, torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="shape"):
        fuse_poses(R, t[:1])
    with pytest.raises(ValueError, match="not all 0"):
        geometric_median(t, torch.zeros(2))
    with pytest.raises(ValueError, match="at least one"):
        chordal_mean(torch.zeros(0, 3, 3))

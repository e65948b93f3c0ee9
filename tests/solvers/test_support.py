"""What supports a pose: known values, properties, and how often chance passes for a pose."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, make_scene, problem_of

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers import View, get_solver
from mickey_hloc.solvers.chance import num_distinct, rotation_std_deg
from mickey_hloc.solvers.residuals import point_errors
from mickey_hloc.solvers.support import (
    SupportOptions,
    assess,
    log10_false_alarms,
    soft_inlier_count,
    usable_matches,
    wilson_lower_bound,
    wrong_pairs,
)


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [(0, 0, 0.0), (0, 10, 0.0), (10, 10, 0.72247), (5, 10, 0.23659), (81, 263, 0.25524), (1, 1, 0.20654)],
)
def test_wilson_lower_bound_against_published_values(successes: int, trials: int, expected: float) -> None:
    assert wilson_lower_bound(successes, trials) == pytest.approx(expected, abs=2e-4)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_lower_bound_is_below_the_share(successes: int, trials: int) -> None:
    successes = min(successes, trials)
    bound = wilson_lower_bound(successes, trials)
    assert 0 <= bound <= successes / trials
    assert wilson_lower_bound(10 * successes, 10 * trials) >= bound


def test_soft_inlier_count_is_half_at_the_threshold_and_ignores_nan() -> None:
    residuals = torch.tensor([0.0, 0.15, 10.0, math.nan, math.inf])
    expected = 1 / (1 + math.exp(-5)) + 0.5
    assert float(soft_inlier_count(residuals, 0.15)) == pytest.approx(expected, abs=1e-6)


def test_false_alarms_against_the_formula() -> None:
    """Four of six agree exactly, no wrong pair of 99 does: log10[(M-m) C(M,k) C(k,m) alpha^(k-m)] by hand."""
    residuals = torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0, math.nan])
    wrong = torch.full((99,), 3.0)
    expected = math.log10(3 * math.comb(6, 4) * math.comb(4, 3) * 0.01)
    assert log10_false_alarms(residuals, wrong, 0.1, minimal=3) == pytest.approx(expected, abs=1e-9)


def test_a_minimal_set_proves_nothing() -> None:
    assert log10_false_alarms(torch.zeros(3), torch.full((50,), 9.0), 0.1, minimal=3) == math.inf
    assert log10_false_alarms(torch.zeros(0), torch.zeros(0), 0.1, minimal=3) == math.inf


def test_close_agreement_counts_for_more_than_agreement_at_the_threshold() -> None:
    wrong = torch.linspace(0, 1, 500)
    tight, loose = torch.full((12,), 0.001), torch.full((12,), 0.099)
    assert log10_false_alarms(tight, wrong, 0.1, 3) < log10_false_alarms(loose, wrong, 0.1, 3) - 5


def test_repeated_evidence_counts_less() -> None:
    residuals, wrong = torch.full((20,), 0.01), torch.linspace(0, 1, 500)
    assert log10_false_alarms(residuals, wrong, 0.1, 3, distinct_share=0.3) > log10_false_alarms(
        residuals, wrong, 0.1, 3
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 600), st.integers(0, 99))
def test_wrong_pairs_are_pairs_that_were_not_matched(count: int, limit: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    matches = torch.stack(
        [torch.randint(0, 15, (count,), generator=g), torch.randint(0, 12, (count,), generator=g)], -1
    )
    pairs = wrong_pairs(matches, g, limit)
    assert len(pairs) <= limit
    matched = {tuple(match) for match in matches.tolist()}
    found = {tuple(pair) for pair in pairs.tolist()}
    assert not matched & found
    assert {i for i, _ in found} <= {i for i, _ in matched}
    assert {j for _, j in found} <= {j for _, j in matched}


def test_one_spot_is_one_piece_of_evidence() -> None:
    spread = torch.rand(30, 2, generator=torch.Generator().manual_seed(0)) * 400
    one = torch.full((30, 2), 50.5)
    assert num_distinct(spread, spread, 1.0) == 30
    assert num_distinct(spread, one, 4.0) == 1
    assert num_distinct(spread[:0], one[:0], 4.0) == 0


def test_rotation_std_matches_what_noise_does() -> None:
    """Against the spread of many least-squares rotations about the weak axis of a long, thin point set."""
    from mickey_hloc.geometry import kabsch

    g = torch.Generator().manual_seed(0)
    X = torch.randn(40, 3, generator=g).double() * torch.tensor([2.0, 0.3, 0.3]).double() + torch.tensor([0, 0, 4.0])
    noise = 0.02 * torch.randn(400, 40, 3, generator=g).double()
    R, t = kabsch(X.expand(400, -1, -1), X + noise)
    about_x = torch.rad2deg(R[:, 2, 1]).std()
    predicted = rotation_std_deg(X, point_errors(R[0], t[0], X, X + noise[0]))
    assert predicted == pytest.approx(float(about_x), rel=0.25)


def test_rotation_is_undetermined_on_a_line_and_in_one_spot() -> None:
    line = torch.linspace(-1, 1, 20)[:, None] * torch.tensor([1.0, 2.0, 0.5]) + torch.tensor([0, 0, 3.0])
    assert rotation_std_deg(line, torch.zeros(20)) == math.inf
    assert rotation_std_deg(torch.ones(20, 3), torch.zeros(20)) == math.inf
    assert rotation_std_deg(torch.eye(3)[:2], torch.zeros(2)) == math.inf
    assert rotation_std_deg(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(20)) == 0


def test_a_true_pose_is_supported_and_a_wrong_one_is_not() -> None:
    problem = make_scene(40, 20)
    matches, g = usable_matches(problem), torch.Generator().manual_seed(0)
    points0, points1 = problem.view0.points().double(), problem.view1.points().double()

    def support(R, t):
        def residual(pairs):
            return point_errors(R, t, points0[pairs[:, 0]], points1[pairs[:, 1]])

        return assess(problem, matches, residual, 0.05, 3, SupportOptions(), g)

    right = support(R_TRUE, T_TRUE)
    assert right.reason == ""
    assert right.num_inliers in (39, 40)  # two corners may share a cell
    assert right.log10_nfa < -20
    assert right.confidence == pytest.approx(wilson_lower_bound(37, 57), abs=0.02)
    wrong = support(torch.eye(3).double(), torch.zeros(3).double())
    assert wrong.reason
    assert wrong.confidence == 0


@pytest.mark.parametrize("spread_m", [0.05, 0.5, 2.0])
def test_chance_seldom_passes_for_a_pose(spread_m: float) -> None:
    """Random matches between points at similar depths: the harder, the closer the points are to a common plane."""
    solver, successes = get_solver("procrustes", max_iterations=4000), 0
    for seed in range(40):
        g = torch.Generator().manual_seed(seed)
        count = [8, 20, 60, 150][seed % 4]
        views = [
            View(
                torch.rand(count, 2, generator=g) * torch.tensor(SIZE),
                2.5 + spread_m * torch.rand(count, generator=g),
                K,
            )
            for _ in range(2)
        ]
        index = torch.arange(count)
        pose: RelativePose = solver.solve(problem_of(*views, torch.stack([index, index], -1)), seed)
        successes += pose.success
    assert successes == 0

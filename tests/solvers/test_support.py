"""What supports a pose: known values, properties, and how often chance passes for a pose."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, make_scene, problem_of

from mickey_hloc.confidence import accept, shipped_calibrations
from mickey_hloc.geometry import virtual_correspondence_errors
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.geometry.rigid import skew
from mickey_hloc.solvers import PoseProblem, View, get_solver
from mickey_hloc.solvers.chance import (
    log10_false_alarms,
    nearby_pairs,
    num_distinct,
    wrong_pairs,
)
from mickey_hloc.solvers.covariance import vcre_std
from mickey_hloc.solvers.evidence import line_distance
from mickey_hloc.solvers.match_solver import precise
from mickey_hloc.solvers.residuals import point_errors
from mickey_hloc.solvers.support import (
    EvidenceOptions,
    conclude,
    match_probabilities,
    soft_inlier_count,
    usable_matches,
)


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


def test_extrapolated_chance_lets_few_exact_correspondences_prove_something() -> None:
    wrong, exact = torch.full((56,), 0.05), torch.zeros(8)
    measured = log10_false_alarms(exact, wrong, 0.1, minimal=6)
    assert measured - log10_false_alarms(exact, wrong, 0.1, minimal=6, extrapolate=True) == pytest.approx(6.0)
    assert log10_false_alarms(torch.full((8,), 0.06), wrong, 0.1, 6, extrapolate=True) == log10_false_alarms(
        torch.full((8,), 0.06), wrong, 0.1, 6
    )


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


def test_a_line_in_the_image_is_seen_among_chance_inliers() -> None:
    g = torch.Generator().manual_seed(0)
    view = make_scene(3).view0
    spread = torch.rand(60, 2, generator=g) * torch.tensor(SIZE)
    assert line_distance(spread, view) > 0.05
    line = torch.linspace(0, 1, 60)[:, None] * torch.tensor([500.0, 300.0]) + 2 * torch.randn(60, 2, generator=g)
    assert line_distance(line, view) < 0.005
    assert line_distance(torch.cat([line, spread[:20]]), view) < 0.01
    assert line_distance(spread[:2], view) == 0.0


def estimate(problem, R, t) -> RelativePose:
    points0, points1 = problem.view0.points().double(), problem.view1.points().double()

    def residual(pairs):
        return point_errors(R, t, points0[pairs[:, 0]], points1[pairs[:, 1]])

    g = torch.Generator().manual_seed(0)
    return conclude(problem, R, t, usable_matches(problem), residual, 0.05, 3, EvidenceOptions(), g, "points")


def test_evidence_speaks_for_a_true_pose_and_not_for_a_wrong_one() -> None:
    problem = precise(make_scene(40, 20))
    right = estimate(problem, R_TRUE, T_TRUE).evidence
    assert right.num_inliers in (39, 40)  # two corners may share a cell
    assert right.num_correspondences == pytest.approx(60, abs=2)
    assert right.probability_sum == pytest.approx(right.num_inliers)
    assert right.pixel_inliers == pytest.approx(right.num_inliers)
    assert max(right.epipolar_error, right.reprojection_error, right.depth_disagreement) < 1e-4
    assert right.log10_nfa < -20
    assert right.local_log10_nfa < -20
    assert right.distance_m == pytest.approx(float(T_TRUE.norm()))
    wrong = estimate(problem, torch.eye(3).double(), torch.zeros(3).double()).evidence
    assert wrong.num_inliers < 5
    assert wrong.log10_nfa > -0.5


def test_evidence_does_not_depend_on_the_size_of_the_images() -> None:
    """Twice the pixels, twice the focal length: the same scene."""
    small = precise(make_scene(40, 20, noise_px=0.5, depth_noise=0.01))
    twice = [
        View(2 * v.keypoints, v.depths, torch.diag(torch.tensor([2.0, 2.0, 1.0])).double() @ v.K, (1280, 960))
        for v in (small.view0, small.view1)
    ]
    large = problem_of(*twice, small.matches)
    a, b = (estimate(problem, R_TRUE, T_TRUE).evidence for problem in (small, large))
    for name in ("epipolar_error", "reprojection_error", "vcre_std", "spread", "local_log10_nfa"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-3), name


def test_probabilities_are_those_of_the_matches() -> None:
    problem = precise(make_scene(30, 10))
    scores = torch.rand(40, generator=torch.Generator().manual_seed(0))
    problem = PoseProblem(problem.view0, problem.view1, problem.matches, scores)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))[:20]
    torch.testing.assert_close(match_probabilities(problem, problem.matches[order]), scores[order].double())
    found = estimate(problem, R_TRUE, T_TRUE).evidence
    assert found.probability_total == pytest.approx(float(scores.sum()), rel=0.05)
    assert found.probability_sum < 0.9 * found.probability_total


def test_nearby_pairs_are_wrong_pairs_near_the_right_ones() -> None:
    g = torch.Generator().manual_seed(0)
    keypoints = torch.rand(50, 2, generator=g) * 400
    matches = torch.stack([torch.arange(50), torch.randperm(50, generator=g)], dim=-1)
    pairs = nearby_pairs(matches, keypoints, neighbours=4)
    partner = dict(matches.tolist())
    assert len(pairs) == 200
    assert all(partner[i] != j for i, j in pairs.tolist())
    distances = [float((keypoints[j] - keypoints[partner[i]]).norm()) for i, j in pairs.tolist()]
    assert max(distances) < 150
    assert len(nearby_pairs(matches[:1], keypoints)) == 0


def test_a_pose_that_is_not_finite_is_no_estimate() -> None:
    problem = precise(make_scene(30))
    pose = estimate(problem, torch.full((3, 3), torch.nan).double(), T_TRUE)
    assert not pose.success
    assert not pose.has_estimate
    assert pose.evidence is None


def test_predicted_vcre_is_that_of_drawn_poses() -> None:
    g = torch.Generator().manual_seed(0)
    A = torch.randn(6, 6, generator=g).double()
    covariance = 1e-5 * A @ A.mT
    factor = torch.linalg.cholesky(covariance)
    delta = torch.randn(4000, 6, generator=g).double() @ factor.mT
    R = torch.linalg.matrix_exp(skew(delta[:, :3])) @ R_TRUE
    errors = virtual_correspondence_errors(R, T_TRUE + delta[:, 3:], R_TRUE, T_TRUE, K.double(), None)
    predicted = vcre_std(covariance, R_TRUE, T_TRUE, K, 800.0)
    assert predicted * 80 == pytest.approx(float(errors.mean()), rel=0.25)  # root mean square against mean
    assert predicted * 80 >= float(errors.mean())


@pytest.mark.parametrize("spread_m", [0.05, 0.5, 2.0])
def test_chance_seldom_passes_for_a_pose(spread_m: float) -> None:
    """Random matches between points at similar depths: the harder, the closer the points are to a common plane."""
    solver, successes = get_solver("procrustes", max_iterations=4000), 0
    calibration = shipped_calibrations().find("any", "procrustes")
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
        found = solver.solve(problem_of(*views, torch.stack([index, index], -1)), seed)
        successes += accept(found, calibration).success
    assert successes == 0

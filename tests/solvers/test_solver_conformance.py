"""What every solver must do. A new solver enters by its line in the registry; nothing here names one."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.solver_scenes import FINDING, R_TRUE, SIZE, T_TRUE, K, errors, make_scene, problem_of, rotation

from mickey_hloc.confidence import AcceptanceOptions, accept, shipped_calibrations
from mickey_hloc.confidence.calibration import Calibration
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import backproject, inverse
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers import PoseProblem, Solver, View, get_solver

pytestmark = pytest.mark.filterwarnings("error")


@dataclass(frozen=True)
class Accepting:
    """A solver and the acceptance of its estimates, as user-facing commands have them."""

    solver: Solver
    calibration: Calibration

    @property
    def needs(self) -> str:
        return self.solver.needs

    def solve(self, problem: PoseProblem, seed=0, policy="supported", options=None) -> RelativePose:
        return accept(self.solver.solve(problem, seed), self.calibration, policy, options)


@pytest.fixture(params=FINDING)
def solver(request) -> Accepting:
    return Accepting(get_solver(request.param), shipped_calibrations().find("any", request.param))


def assert_close(pose: RelativePose, R=R_TRUE, t=T_TRUE, max_deg=0.5, max_m=0.03) -> None:
    assert pose.success, pose.reason
    degrees, metres = errors(pose, R, t)
    assert degrees < max_deg
    assert metres < max_m


def assert_failure(pose: RelativePose) -> None:
    assert not pose.success
    assert pose.reason
    assert np.isnan(pose.R).all() | np.isnan(pose.t).all()
    if not pose.has_estimate:
        assert pose.confidence == 0
        assert pose.score == 0
        assert not pose.inliers.any()
        assert pose.evidence is None
    assert pose.inliers.shape == (len(pose.correspondences),)


@pytest.mark.parametrize(("inliers", "outliers", "unmatched"), [(61, 0, (0, 0)), (83, 20, (7, 31)), (47, 47, (12, 0))])
def test_odd_sizes_and_outliers(solver: Accepting, inliers: int, outliers: int, unmatched) -> None:
    problem = make_scene(inliers, outliers, unmatched, noise_px=0.3, depth_noise=0.005)
    pose = solver.solve(problem)
    assert_close(pose, max_deg=1.0, max_m=0.05)
    assert 0 < pose.confidence <= 1
    assert 0 < pose.score <= len(pose.correspondences)
    assert pose.correspondences.shape == (len(pose.inliers), 2)
    assert pose.correspondences.dtype == np.int64
    assert pose.inliers.dtype == bool
    assert pose.reason == ""
    given = {tuple(match) for match in problem.matches.tolist()}
    assert {tuple(match) for match in pose.correspondences.tolist()} <= given


def test_confidence_grows_with_the_share_of_inliers(solver: Accepting) -> None:
    found = [solver.solve(make_scene(60, n, noise_px=0.3)).confidence for n in (0, 30, 90)]
    assert found[0] > found[1] > found[2] > 0
    assert found[0] > 0.85


def test_two_different_cameras(solver: Accepting) -> None:
    wide = torch.tensor([[410.0, 0, 300], [0, 405.0, 260], [0, 0, 1]])
    assert_close(solver.solve(make_scene(80, 20, noise_px=0.2, K0=K, K1=wide)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_match_is_a_failure(solver: Accepting, count: int) -> None:
    problem = make_scene(count, unmatched=(9, 4))
    pose = solver.solve(problem)
    assert_failure(pose)
    assert len(pose.correspondences) <= count


def test_images_without_keypoints_are_a_failure(solver: Accepting) -> None:
    empty = View(torch.zeros(0, 2), torch.zeros(0), K)
    full = make_scene(20).view0
    none = torch.zeros(0, 2, dtype=torch.int64)
    for views in ((empty, empty), (empty, full), (full, empty)):
        assert_failure(solver.solve(problem_of(*views, none)))


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7])
def test_few_exact_matches_give_the_right_pose_or_none(solver: Accepting, count: int) -> None:
    for seed in range(2):
        pose = solver.solve(make_scene(count, seed=seed), seed)
        if pose.success:
            assert_close(pose)
            assert pose.confidence < 0.8
        else:
            assert_failure(pose)


def test_unusable_depths_and_keypoints_are_left_out(solver: Accepting) -> None:
    clean = make_scene(100, 10, noise_px=0.2)
    matches = clean.matches
    depths0, depths1 = clean.view0.depths.clone(), clean.view1.depths.clone()
    keypoints0 = clean.view0.keypoints.clone()
    depths0[matches[:5, 0]], depths0[matches[5:10, 0]] = torch.nan, -1.0
    depths1[matches[10:15, 1]], depths1[matches[15:20, 1]] = torch.inf, 0.0
    keypoints0[matches[20:25, 0]] = torch.nan
    views = View(keypoints0, depths0, K, SIZE), View(clean.view1.keypoints, depths1, K, SIZE)
    pose = solver.solve(problem_of(*views, matches))
    assert_close(pose)
    unusable = set(matches[20:25, 0].tolist())
    assert not unusable & set(pose.correspondences[pose.inliers][:, 0].tolist())


@pytest.mark.parametrize("value", [torch.nan, -2.0, 0.0])
def test_no_depth_at_all_is_a_failure(solver: Accepting, value: float) -> None:
    clean = make_scene(40)
    views = [View(v.keypoints, torch.full_like(v.depths, value), v.K) for v in (clean.view0, clean.view1)]
    assert_failure(solver.solve(problem_of(*views, clean.matches)))


def test_planar_scene(solver: Accepting) -> None:
    pose = solver.solve(make_scene(90, 20, noise_px=0.2, depths0=torch.full((90,), 2.5)))
    assert_close(pose, max_deg=1.0, max_m=0.05)


def test_pure_rotation(solver: Accepting) -> None:
    R, t = rotation(0.02, 0.15, -0.1), torch.zeros(3, dtype=torch.float64)
    assert_close(solver.solve(make_scene(90, 20, noise_px=0.2, R=R, t=t)), R, t, max_deg=0.6, max_m=0.04)


def test_half_turn(solver: Accepting) -> None:
    R = rotation(0.0, 0.0, np.pi - 0.01)
    assert_close(solver.solve(make_scene(90, 20, noise_px=0.2, R=R)), R)


def test_identical_images_give_the_identity_with_high_confidence(solver: Accepting) -> None:
    view = make_scene(120).view0
    index = torch.arange(120)
    pose = solver.solve(problem_of(view, view, torch.stack([index, index], dim=-1)))
    assert_close(pose, torch.eye(3).double(), torch.zeros(3).double(), max_deg=0.05, max_m=0.002)
    assert pose.confidence > 0.9


@pytest.mark.parametrize("count", [10, 40, 120])
def test_only_outliers_are_a_failure(solver: Accepting, count: int) -> None:
    for seed in range(2):
        assert_failure(solver.solve(make_scene(0, count, seed=seed), seed))


def test_only_outliers_at_one_depth_are_a_failure(solver: Accepting) -> None:
    scene = make_scene(0, 80)
    views = [View(v.keypoints, torch.full_like(v.depths, 2.0), v.K) for v in (scene.view0, scene.view1)]
    assert_failure(solver.solve(problem_of(*views, scene.matches)))


def test_points_on_a_line_are_a_failure(solver: Accepting) -> None:
    line = torch.linspace(-0.8, 0.8, 50, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.4, 0.3]).double()
    X = line + torch.tensor([0, 0, 3.0]).double()
    Y = X @ R_TRUE.mT + T_TRUE
    views = [View((P @ K.double().mT)[:, :2].div(P[:, 2:]).float(), P[:, 2].float(), K, SIZE) for P in (X, Y)]
    index = torch.arange(50)
    assert_failure(solver.solve(problem_of(*views, torch.stack([index, index], dim=-1))))


def test_one_point_many_times_is_a_failure(solver: Accepting) -> None:
    view = View(torch.full((30, 2), 200.0), torch.full((30,), 2.0), K, SIZE)
    index = torch.arange(30)
    assert_failure(solver.solve(problem_of(view, view, torch.stack([index, index], dim=-1))))


def test_swapped_views_give_the_inverse(solver: Accepting) -> None:
    problem = make_scene(90, 20, noise_px=0.2)
    swapped = problem_of(problem.view1, problem.view0, problem.matches.flip(-1))
    assert_close(solver.solve(swapped), *inverse(R_TRUE, T_TRUE))


def test_the_same_seed_gives_the_same_pose_bit_for_bit(solver: Accepting) -> None:
    problem = make_scene(50, 40, noise_px=1.0, depth_noise=0.02)
    first = solver.solve(problem, 7)
    state = torch.get_rng_state()
    again = Accepting(type(solver.solver)(), solver.calibration).solve(problem, torch.Generator().manual_seed(7))
    assert first.success
    for name in ("R", "t", "inliers", "correspondences", "score", "confidence"):
        assert np.asarray(getattr(first, name)).tobytes() == np.asarray(getattr(again, name)).tobytes(), name
    assert torch.equal(torch.get_rng_state(), state)


def test_float64_input_and_untouched_input(solver: Accepting) -> None:
    problem = make_scene(60, 10, noise_px=0.2)
    wide = [View(v.keypoints.double(), v.depths.double(), v.K.double(), SIZE) for v in (problem.view0, problem.view1)]
    copies = [(v.keypoints.clone(), v.depths.clone()) for v in wide]
    assert_close(solver.solve(problem_of(*wide, problem.matches)))
    for view, (keypoints, depths) in zip(wide, copies, strict=True):
        assert torch.equal(view.keypoints, keypoints)
        assert torch.equal(view.depths, depths)


def test_a_problem_without_what_it_needs_is_refused(solver: Accepting) -> None:
    full = make_scene(20)
    lacking = {
        "matches": PoseProblem(full.view0, full.view1, probability=full.probability),
        "probability": PoseProblem(full.view0, full.view1, full.matches),
    }
    with pytest.raises(ValueError, match=solver.needs):
        solver.solve(lacking[solver.needs])


@pytest.mark.parametrize("name", FINDING)
def test_options_are_strict(name: str) -> None:
    with pytest.raises(InputError, match="no_such_option"):
        get_solver(name, no_such_option=1)
    for option, value in (("chance_pairs", 0), ("distinct_px", 0.0)):
        with pytest.raises(InputError, match=option):
            get_solver(name, **{option: value})


def test_acceptance_options_are_obeyed(solver: Accepting) -> None:
    problem = make_scene(40, noise_px=0.2)
    assert solver.solve(problem).success
    assert "41" in solver.solve(problem, options=AcceptanceOptions(min_inliers=41)).reason
    assert not solver.solve(problem, options=AcceptanceOptions(max_log10_nfa=-1e6)).success
    assert not solver.solve(problem, options=AcceptanceOptions(min_confidence=1.0)).success


def test_a_refused_estimate_is_in_the_result(solver: Accepting) -> None:
    problem = make_scene(0, 40)
    refused = solver.solve(problem)
    assert_failure(refused)
    assert refused.has_estimate
    assert refused.evidence is not None
    everything = solver.solve(problem, policy="all")
    assert everything.success
    np.testing.assert_array_equal(everything.t, refused.estimate.translation)
    assert everything.confidence == refused.confidence


def test_exact_matches_are_accepted_8_of_8(solver: Accepting) -> None:
    for seed in range(8):
        assert_close(solver.solve(make_scene(8, seed=seed), seed))


def test_the_covariance_grows_with_the_noise(solver: Accepting) -> None:
    quiet, loud = (solver.solve(make_scene(80, noise_px=n, depth_noise=0.02 * n), policy="all") for n in (0.2, 2.0))
    for pose in (quiet, loud):
        assert pose.covariance.shape == (6, 6)
        np.testing.assert_allclose(pose.covariance, pose.covariance.T)
        assert (np.linalg.eigvalsh(pose.covariance) > 0).all()
        length = np.linalg.norm(pose.t)
        assert 0 <= pose.distance_95_m[0] <= pose.distance_68_m[0] <= length
        assert length <= pose.distance_68_m[1] <= pose.distance_95_m[1]
    residual = [pose.covariance_parts.residual for pose in (quiet, loud)]  # wrong scales are no matter of noise
    assert np.trace(residual[1]) > 4 * np.trace(residual[0])


def test_back_projection_convention() -> None:
    """Scenes are made and solved with the centre of the top-left pixel at (0, 0)."""
    scene = make_scene(5)
    points = backproject(scene.view0.keypoints, scene.view0.depths, scene.view0.K)
    torch.testing.assert_close(points, scene.view0.points())


def test_the_digits_of_a_pose_do_not_depend_on_the_number_of_threads(solver: Accepting) -> None:
    problem = make_scene(outliers=400, inliers=1200, noise_px=1.0, depth_noise=0.03)
    before = torch.get_num_threads()
    poses = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            poses.append(solver.solver.solve(problem, seed=3))
            assert torch.get_num_threads() == threads  # given back
    finally:
        torch.set_num_threads(before)
    for other in poses[1:]:
        assert np.array_equal(other.estimate.matrix(), poses[0].estimate.matrix())
        assert other.evidence == poses[0].evidence
        assert np.array_equal(other.inliers, poses[0].inliers)

"""Numbers that no camera makes cost a solver its pair, with a reason; they never become a pose that is not finite."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.extreme_problems import extreme_problem
from support.solver_scenes import FINDING, K, errors, make_scene, problem_of

from mickey_hloc.confidence.policy import find_acceptance
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.io.poses import format_pair
from mickey_hloc.solvers import View, get_solver

LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
VARIANTS = (
    *((name, {}) for name in FINDING),
    ("probabilistic", {"published": True}),
    ("procrustes", {"refine": True, "icp": True}),
    ("pnp", {"direction": "both", "refine": True}),
    ("essential", {"refine": True}),
    ("joint", {"free_shifts": True}),
)


def solved(name: str, options: dict, problem, accept: str = "all", seed: int = 0):
    return find_acceptance("any", name, accept, {}).judge(get_solver(name, **options).solve(problem, seed))


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # numpy says what the failure says
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@settings(max_examples=500 if LONG else 25)
@given(data=st.data())
def test_an_extreme_problem_has_a_finite_pose_or_a_reason(name: str, options: dict, data: st.DataObject) -> None:
    problem = extreme_problem(lambda choices: data.draw(st.sampled_from(choices)))
    if options.get("icp"):
        pytest.importorskip("small_gicp")
    if name == "procrustes":
        options = {**options, "max_iterations": 4000}
    pose = solved(name, options, problem, data.draw(st.sampled_from(("all", "supported"))))
    assert 0 <= pose.confidence <= 1
    assert np.isfinite(pose.score)
    assert format_pair("a", "b", pose)
    if pose.success:
        assert np.isfinite(pose.t).all()
        np.testing.assert_allclose(pose.R @ pose.R.T, np.eye(3), atol=1e-6)
    else:
        assert pose.reason


@pytest.mark.parametrize("name", FINDING)
@pytest.mark.parametrize("far", [1e7, 1e12, 3e38, np.inf, np.nan])
def test_one_keypoint_far_off_costs_only_itself(name: str, far: float) -> None:
    clean = make_scene(80, noise_px=0.2)
    keypoints = clean.view0.keypoints.clone()
    keypoints[clean.matches[3, 0], 0] = far
    view0 = View(keypoints, clean.view0.depths, clean.view0.K, clean.view0.image_size)
    pose = solved(name, {}, problem_of(view0, clean.view1, clean.matches), "supported")
    assert pose.success, pose.reason
    degrees, metres = errors(pose)
    assert degrees < 0.5
    assert metres < 0.03


@pytest.mark.parametrize("name", FINDING)
@pytest.mark.parametrize("depth", [1e-30, 1e9, 3e38])
def test_one_absurd_depth_costs_only_itself(name: str, depth: float) -> None:
    clean = make_scene(80, noise_px=0.2)
    depths = clean.view1.depths.clone()
    depths[clean.matches[3, 1]] = depth
    view1 = View(clean.view1.keypoints, depths, clean.view1.K, clean.view1.image_size)
    pose = solved(name, {}, problem_of(clean.view0, view1, clean.matches), "supported")
    assert pose.success, pose.reason
    assert errors(pose)[1] < 0.03


@pytest.mark.parametrize("name", FINDING)
@pytest.mark.parametrize("bad", [torch.zeros(3, 3), torch.ones(3, 3), K * torch.inf, torch.full((3, 3), torch.nan)])
def test_a_camera_that_cannot_be_inverted_is_named(name: str, bad: torch.Tensor) -> None:
    clean = make_scene(40)
    view1 = View(clean.view1.keypoints, clean.view1.depths, bad, clean.view1.image_size)
    pose = solved(name, {}, problem_of(clean.view0, view1, clean.matches))
    assert not pose.success
    assert "K of the second image" in pose.reason


@pytest.mark.parametrize("value", [-1.0, torch.inf])
def test_a_probability_that_is_none_is_a_failure(value: float) -> None:
    problem = make_scene(40)
    problem.probability[3, 5] = value
    assert "negative or infinite" in solved("probabilistic", {}, problem).reason


def test_evidence_that_cannot_be_computed_speaks_for_nothing() -> None:
    evidence = Evidence(num_inliers=9.0, vcre_std=np.nan, spread=np.nan)
    assert evidence.vcre_std == np.inf
    assert evidence.spread == 0
    assert evidence.num_inliers == 9

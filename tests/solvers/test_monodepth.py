"""PoseLib's monodepth estimator as a backend of joint; a stub has the signature of its git version (March 2026)."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
import torch
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, make_scene, problem_of

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.solvers import View, get_solver

RATIO = 1.3  # view 0 sees metres / sqrt(RATIO), view 1 metres * sqrt(RATIO)


def scaled_scene(num_outliers: int = 20):
    clean = make_scene(80, num_outliers)
    factors = (RATIO**-0.5, RATIO**0.5)
    views = [View(v.keypoints, v.depths * f, K, SIZE) for v, f in zip((clean.view0, clean.view1), factors, strict=True)]
    return problem_of(*views, clean.matches)


class StubPoseLib(types.ModuleType):
    """Answers with the true geometry in the units of view 0's depth; refuses what the real binding refuses."""

    def __init__(self, num_inliers: int = 80) -> None:
        super().__init__("poselib")
        self.asked: dict[str, object] = {}
        self.num_inliers = num_inliers

    def estimate_monodepth_relative_pose(
        self, points2D_1, points2D_2, depth_1, depth_2, camera1, camera2, opt=None, initial_pose=None
    ):
        opt = opt or {}
        assert set(opt) <= {"ransac", "bundle", "max_errors", "estimate_shift", "weight_sampson"}
        assert set(opt["ransac"]) <= {
            "max_iterations",
            "min_iterations",
            "success_prob",
            "seed",
            "progressive_sampling",
        }
        assert len(opt["max_errors"]) == 2
        assert points2D_1.shape == points2D_2.shape == (len(depth_1), 2) == (len(depth_2), 2)
        assert points2D_1.dtype == np.float64
        for camera in (camera1, camera2):
            assert set(camera) == {"model", "width", "height", "params"}
            assert len(camera["params"]) == 4
        self.asked = opt
        unit = RATIO**-0.5
        pose = types.SimpleNamespace(R=R_TRUE.numpy(), t=unit * T_TRUE.numpy())
        geometry = types.SimpleNamespace(pose=pose, scale=1 / RATIO, shift1=0.0, shift2=0.0)
        return geometry, {"num_inliers": self.num_inliers, "inliers": [True] * len(depth_1)}


@pytest.fixture
def poselib(monkeypatch: pytest.MonkeyPatch) -> StubPoseLib:
    stub = StubPoseLib()
    monkeypatch.setitem(sys.modules, "poselib", stub)
    return stub


@pytest.mark.parametrize("free_shifts", [False, True])
def test_the_pose_is_in_the_geometric_mean_of_both_depths(poselib: StubPoseLib, free_shifts: bool) -> None:
    found = get_solver("joint", backend="poselib", free_shifts=free_shifts).solve(scaled_scene())
    assert found.success
    degrees, metres = pose_errors(torch.from_numpy(found.R), torch.from_numpy(found.t), R_TRUE, T_TRUE)
    assert degrees < 0.05
    assert metres < 0.01
    assert found.evidence.depth_log_ratio == pytest.approx(math.log(RATIO), abs=0.01)  # its size
    assert poselib.asked["estimate_shift"] is free_shifts
    assert poselib.asked["max_errors"] == [8.0, 2.0]


def test_it_agrees_with_the_own_proposals(poselib: StubPoseLib) -> None:
    both = [get_solver("joint", backend=backend).solve(scaled_scene()) for backend in ("own", "poselib")]
    np.testing.assert_allclose(both[0].t, both[1].t, atol=2e-3)
    np.testing.assert_allclose(both[0].R, both[1].R, atol=2e-3)


def test_too_few_inliers_are_no_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "poselib", StubPoseLib(num_inliers=2))
    found = get_solver("joint", backend="poselib").solve(scaled_scene())
    assert not found.success
    assert "agree with no pose" in found.reason


def test_a_version_without_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    old = types.ModuleType("poselib")
    old.__version__ = "2.0.5"
    monkeypatch.setitem(sys.modules, "poselib", old)
    with pytest.raises(
        MissingDependencyError, match=r"PoseLib 2\.0\.5 has no monodepth estimators: install PoseLib from"
    ):
        get_solver("joint", backend="poselib").solve(scaled_scene())
    monkeypatch.setitem(sys.modules, "poselib", None)
    with pytest.raises(MissingDependencyError, match="choose backend=own"):
        get_solver("joint", backend="poselib").solve(scaled_scene())


def test_the_installed_one_where_it_has_it() -> None:
    real = pytest.importorskip("poselib")
    if not hasattr(real, "estimate_monodepth_relative_pose"):
        pytest.skip("this PoseLib has no monodepth estimators")
    found = get_solver("joint", backend="poselib").solve(scaled_scene())
    degrees, metres = pose_errors(torch.from_numpy(found.R), torch.from_numpy(found.t), R_TRUE, T_TRUE)
    assert degrees < 0.1
    assert metres < 0.02

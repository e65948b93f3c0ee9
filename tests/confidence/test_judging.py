"""Estimates against the truth: what counts as right, and errors in the units of the predicted uncertainty."""

import numpy as np
import pycolmap
import pytest
import torch
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, make_scene

from mickey_hloc.confidence.judging import judge
from mickey_hloc.confidence.uncertainty import UncertaintyModel, distance_sigmas, squared_errors
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import CovarianceParts, RelativePose
from mickey_hloc.solvers import get_solver

TRUTH = pycolmap.Rigid3d(pycolmap.Rotation3d(R_TRUE.numpy()), T_TRUE.numpy())


def test_a_good_estimate_is_right_and_a_bad_one_is_not() -> None:
    estimate = get_solver("procrustes").solve(make_scene(60, 20, noise_px=0.5, depth_noise=0.01))
    assert judge(estimate, TRUTH, K.numpy(), SIZE).is_correct
    away = pycolmap.Rigid3d(TRUTH.rotation, np.asarray(TRUTH.translation) + np.array([0, 0, 3.0]))
    assert not judge(estimate, away, K.numpy(), SIZE).is_correct


def test_unrelated_photos_and_failures_are_never_right() -> None:
    estimate = get_solver("procrustes").solve(make_scene(60))
    row = judge(estimate, None, K.numpy(), SIZE)
    assert row.is_unrelated
    assert not row.is_correct
    assert row.error is None
    failed = judge(RelativePose.failure("nothing"), TRUTH, K.numpy(), SIZE)
    assert not failed.is_correct
    assert not failed.is_unrelated


def test_errors_in_units_of_the_covariance() -> None:
    """A pose moved by one standard deviation along one axis is off by one, squared too."""
    C = np.diag([0.01, 0.02, 0.03, 0.1, 0.2, 0.3]) ** 2
    for axis in range(6):
        delta = np.sqrt(np.diag(C)) * (np.arange(6) == axis)
        turn = torch.linalg.matrix_exp(torch.tensor(np.cross(np.eye(3), -delta[:3]))).numpy()
        moved = pycolmap.Rigid3d(pycolmap.Rotation3d(turn @ R_TRUE.numpy()), T_TRUE.numpy() + delta[3:])
        length = float(T_TRUE.norm())
        parts = CovarianceParts(C, np.zeros((6, 6)), np.zeros((6, 6)))
        estimate = RelativePose(True, TRUTH, estimate=TRUTH, evidence=Evidence(num_inliers=9), covariance_parts=parts)
        row = judge(estimate, moved, K.numpy(), SIZE)
        assert row.error is not None
        model = UncertaintyModel(residual=1 / 9, correlation=1.0)
        assert squared_errors(model, [row.error])[0] == pytest.approx(1.0, rel=1e-6)
        off = length - float(np.linalg.norm(moved.translation))
        assert row.error.distance_m == pytest.approx(off, abs=1e-9)
        assert distance_sigmas(model, [row.error])[0] == pytest.approx(off / estimate.distance_std_m(C), abs=1e-9)

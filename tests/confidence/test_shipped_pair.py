"""The photos that come with the package: a right pose of them is accepted, whatever solver finds it."""

import numpy as np
import pytest

from mickey_hloc.datasets.example import load_example
from mickey_hloc.solvers import finding_solvers
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method


@pytest.mark.parametrize("solver", finding_solvers())
def test_sift_with_the_sensors_depth(solver: str) -> None:
    pair = load_example()
    method = Method(feature="sift", depth="png:sensor", solver=solver)
    pose = TwoViewEstimator(method, pair.folder).estimate(pair.photo0, pair.photo1).pose
    assert pose.success, pose.reason
    assert np.linalg.norm(pose.t - np.asarray(pair.cam1_from_cam0.translation)) < 0.1
    turned = np.asarray(pair.cam1_from_cam0.rotation.matrix()).T @ pose.R
    assert np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1))) < 5

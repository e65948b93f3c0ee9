"""The second motion that a plane allows."""

import math

import numpy as np
import pytest
import torch
from support.degenerate_scenes import degenerate_scene
from support.solver_scenes import SIZE, K, problem_of, rotation

from mickey_hloc.confidence import accept, shipped_calibrations
from mickey_hloc.geometry import project, transform
from mickey_hloc.solvers import PoseProblem, View, get_solver
from mickey_hloc.solvers.plane import rival_share

DIAGONAL = math.hypot(*SIZE)
R = rotation(0.0, math.radians(15), 0.05)
T = torch.tensor([-0.4, 0.1, 0.1], dtype=torch.float64)


def scene(flat: bool, depth_noise: float = 0.0, t: torch.Tensor = T) -> tuple[PoseProblem, torch.Tensor]:
    """Sixty points on a slanted plane, or in space, with the indices of their matches."""
    rng = np.random.default_rng(3)
    points = rng.uniform([-1.2, -0.9, 0.0], [1.2, 0.9, 0.0], (60, 3))
    points[:, 2] = 2.5 + 0.4 * points[:, 0] - 0.2 * points[:, 1] + (0 if flat else rng.uniform(-0.7, 0.7, 60))
    X = torch.from_numpy(points)
    views = []
    for P in (X, transform(R, t, X)):
        depths = P[:, 2] * torch.from_numpy(1 + depth_noise * rng.normal(size=60))
        views.append(View(project(P, K.double()).float(), depths.float(), K, SIZE))
    index = torch.arange(60)
    pairs = torch.stack([index, index], dim=-1)
    return problem_of(*views, pairs), pairs


def test_a_plane_has_another_motion_that_good_depth_does_not_support() -> None:
    assert 0.01 < rival_share(*scene(flat=True), R, T, DIAGONAL) < 0.8


def test_depth_that_is_worse_than_the_motions_are_alike_cannot_choose() -> None:
    good, poor = (rival_share(*scene(True, noise), R, T, DIAGONAL) for noise in (0.0, 0.3))
    assert poor > good
    assert poor > 0.8


@pytest.mark.parametrize(("flat", "t"), [(False, T), (True, torch.zeros(3, dtype=torch.float64))])
def test_points_in_space_and_pure_rotations_have_none(flat: bool, t: torch.Tensor) -> None:
    assert rival_share(*scene(flat, t=t), R, t, DIAGONAL) == 0


def test_depth_that_supports_neither_motion_does_not_choose() -> None:
    problem, pairs = scene(flat=True)
    millimetres = View(problem.view0.keypoints, 1000 * problem.view0.depths, K, SIZE)
    assert rival_share(problem_of(millimetres, problem.view1, pairs), pairs, R, T, DIAGONAL) < 0.01


def test_few_points_say_nothing() -> None:
    problem, pairs = scene(flat=True)
    assert rival_share(problem, pairs[:5], R, T, DIAGONAL) == 0


def test_an_ambiguous_plane_is_refused() -> None:
    degenerate = degenerate_scene("plane", 50110)  # once accepted, 12 degrees wrong
    estimate = get_solver("essential").solve(degenerate.problem, 50110)
    pose = accept(estimate, shipped_calibrations().find("sift", "essential"))
    assert not pose.success
    assert "on a plane" in pose.reason

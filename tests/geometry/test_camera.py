"""Projection and back-projection are inverse to each other; a resize moves pixels as it moves the image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.geometry import backproject, project, resize_intrinsics


def _camera(f: float = 500.0) -> torch.Tensor:
    return torch.tensor([[f, 0.0, 320.0], [0.0, 1.1 * f, 230.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


@given(st.integers(0, 2**31), st.floats(100, 3000))
def test_projecting_what_was_backprojected_gives_the_keypoints(seed: int, focal: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    keypoints = torch.rand(2, 7, 2, generator=generator, dtype=torch.float64) * 640
    depths = torch.rand(2, 7, generator=generator, dtype=torch.float64) * 10 + 0.1
    points = backproject(keypoints, depths, _camera(focal).expand(2, 3, 3))
    torch.testing.assert_close(points[..., 2], depths)
    torch.testing.assert_close(project(points, _camera(focal)), keypoints)


def test_backprojection_equals_the_recorded_one(recorded) -> None:
    z = np.load(recorded / "solver.npz")
    K, keypoints, depths = (torch.from_numpy(z[name]) for name in ("K", "kp", "depth"))
    expected = torch.from_numpy(z["backprojected"])
    torch.testing.assert_close(backproject(keypoints, depths, K), expected, rtol=1e-4, atol=1e-5)


def test_points_behind_the_camera_project_to_finite_pixels() -> None:
    pixels = project(torch.tensor([[0.1, 0.2, -3.0], [0.0, 0.0, 0.0]], dtype=torch.float64), _camera())
    assert torch.isfinite(pixels).all()


@given(st.integers(2, 4000), st.integers(2, 4000))
def test_resized_intrinsics_see_a_point_where_the_resized_image_has_it(width: int, height: int) -> None:
    point = torch.tensor([[0.3, -0.2, 2.0]], dtype=torch.float64)
    before = project(point, _camera())
    after = project(point, resize_intrinsics(_camera(), (640, 480), (width, height)))
    scale = torch.tensor([width / 640, height / 480], dtype=torch.float64)
    torch.testing.assert_close(after, (before + 0.5) * scale - 0.5)


def test_resizing_back_gives_the_same_intrinsics() -> None:
    there = resize_intrinsics(_camera(), (640, 480), (1000, 333))
    torch.testing.assert_close(resize_intrinsics(there, (1000, 333), (640, 480)), _camera())


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="depths must have shape"):
        backproject(torch.zeros(5, 2), torch.zeros(4), torch.eye(3))
    with pytest.raises(ValueError, match="keypoints must have shape"):
        backproject(torch.zeros(5, 3), torch.zeros(5), torch.eye(3))
    with pytest.raises(ValueError, match="K must have shape"):
        project(torch.zeros(5, 3), torch.eye(4))

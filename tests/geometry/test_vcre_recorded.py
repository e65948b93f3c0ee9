"""VCRE against recorded numbers and by its properties."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.geometry import benchmark_grid, inverse, virtual_correspondence_errors

GUARD = 1e-3  # sqrt(1e-6): what the benchmark's guarded root gives for equal poses


def _losses(recorded):
    z = np.load(recorded / "losses.npz")
    return z, *(torch.from_numpy(z[name]).double() for name in ("R", "t", "R_gt", "t_gt", "K"))


def test_recorded_errors_clamped_to_the_image(recorded) -> None:
    z, R, t, R_gt, t_gt, K = _losses(recorded)
    errors = virtual_correspondence_errors(R, t, R_gt, t_gt, K, (540, 720))
    np.testing.assert_allclose(errors, z["vcre_540x720"], rtol=1e-4, atol=1e-5)


def test_recorded_symmetric_errors(recorded) -> None:
    z, R, t, R_gt, t_gt, K = _losses(recorded)
    forward = virtual_correspondence_errors(R, t, R_gt, t_gt, K, (720, 720))
    backward = virtual_correspondence_errors(*inverse(R, t), *inverse(R_gt, t_gt), K, (720, 720))
    np.testing.assert_allclose((forward + backward) / 2, z["vcre_loss/soft=False"], rtol=1e-4, atol=1e-5)


def test_the_grid_is_the_benchmarks() -> None:
    grid = benchmark_grid()
    assert grid.shape == (196, 3)
    np.testing.assert_allclose(grid.min(dim=0).values, [-0.9, -0.45, 1.8], rtol=1e-6)
    np.testing.assert_allclose(grid.max(dim=0).values, [0.9, 0.45, 3.6], rtol=1e-6)


@given(st.floats(0, 2), st.integers(0, 2**31))
def test_it_is_small_only_for_equal_poses_and_bounded_by_the_image(distance: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(3, generator=generator, dtype=torch.float64), dim=0)
    K = torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]], dtype=torch.float64)
    eye, zero = torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    error = float(virtual_correspondence_errors(eye, distance * direction, eye, zero, K, (640, 480)))
    assert GUARD - 1e-9 <= error <= 800.0 + GUARD
    assert error <= GUARD + 1e-6 or distance > 1e-7
    if distance > 0.05:
        assert error > 1.0

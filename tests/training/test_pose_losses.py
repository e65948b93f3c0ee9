"""Losses between two poses, against recorded numbers and their geometry."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import project
from mickey_hloc.training.pose_losses import GridOptions, pose_loss, soft_clip, vcre_loss, virtual_points


def close(value: torch.Tensor, recorded: np.ndarray) -> bool:
    return bool(np.allclose(value.detach().numpy(), recorded, rtol=1e-4, atol=1e-6))


@pytest.mark.parametrize("soft", [False, True])
def test_equals_the_recorded_losses(recorded: Path, soft: bool) -> None:
    z = np.load(recorded / "losses.npz")
    R, t, R_gt, t_gt = (torch.from_numpy(z[k]).float() for k in ("R", "t", "R_gt", "t_gt"))
    K = torch.from_numpy(z["K"])
    assert close(pose_loss(R, t, R_gt, t_gt, 0.9 if soft else None), z[f"pose_loss/soft={soft}"])
    t.requires_grad_()
    loss = vcre_loss(R, t, R_gt, t_gt, K, K)
    loss = soft_clip(loss, 80.0) if soft else loss
    assert close(loss, z[f"vcre_loss/soft={soft}"])
    (grad,) = torch.autograd.grad(loss.sum(), t)
    slope = z[f"vcre_loss_grad_t/soft={soft}"]
    moved = np.linalg.norm(z["t"] - z["t_gt"], axis=-1) > 1e-6  # at the true pose the slope is rounding noise
    error = np.abs(grad.numpy() - slope)[moved].max(axis=-1)
    assert (error <= 1e-4 * np.abs(slope[moved]).max(axis=-1)).all()


def test_frustum_grid_fills_its_share_of_the_image() -> None:
    K = torch.tensor([[[300.0, 0, 159.5], [0, 310.0, 119.5], [0, 0, 1]], [[500.0, 0, 300], [0, 500, 250], [0, 0, 1]]])
    size = torch.tensor([[320, 240], [640, 480]])
    options = GridOptions("frustum", near_m=0.5, far_m=2.0, image_share=0.8, steps=(5, 4, 3))
    points = virtual_points(options, K, size)
    assert points.shape == (2, 60, 3)
    assert torch.allclose(points[..., 2].amin(dim=1), torch.tensor(0.5))
    assert torch.allclose(points[..., 2].amax(dim=1), torch.tensor(2.0))
    pixels = project(points, K)
    assert torch.allclose(pixels.amin(dim=1), size * 0.1 - 0.5, atol=1e-3)
    assert torch.allclose(pixels.amax(dim=1), size * 0.9 - 0.5, atol=1e-3)
    assert virtual_points(GridOptions("frustum", steps=(1, 1, 1)), K, size).shape == (2, 1, 3)


def test_vcre_directions_use_their_own_camera() -> None:
    K0 = torch.eye(3) * torch.tensor([500.0, 500, 1])
    K1 = torch.eye(3) * torch.tensor([250.0, 250, 1])
    eye, zero, t = torch.eye(3), torch.zeros(3), torch.tensor([0.1, 0.0, 0.0])
    both = vcre_loss(eye, t, eye, zero, K0, K1, clip_px=None)
    once = vcre_loss(eye, t, eye, zero, K0, K0, clip_px=None)
    assert torch.allclose(both, 0.75 * once, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "cube"},
        {"near_m": 2.0, "far_m": 1.0},
        {"near_m": 0.0},
        {"image_share": 1.2},
        {"steps": (7, 0, 5)},
        {"steps": (7, 5)},
    ],
)
def test_wrong_grids(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="grid"):
        GridOptions(**options)

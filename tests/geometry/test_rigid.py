"""Kabsch recovers motions, also in degenerate cases, and its gradient is right and finite."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mickey_hloc.geometry import inverse, kabsch, pose_errors, rotation_angle_deg, transform
from mickey_hloc.geometry.rigid import nearest_rotation


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    q, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)[:, None, None]


def rotation_about_z(degrees: float) -> Tensor:
    a = np.radians(degrees)
    return torch.tensor([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]], dtype=torch.float64)


@given(st.integers(0, 2**31), st.integers(3, 40))
def test_the_motion_of_noiseless_points_is_recovered(seed: int, num_points: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    R, t = random_rotations(4, generator), torch.randn(4, 3, generator=generator, dtype=torch.float64)
    X = torch.randn(4, num_points, 3, generator=generator, dtype=torch.float64)
    R_found, t_found = kabsch(X, transform(R, t, X))
    torch.testing.assert_close(R_found @ X.mT + t_found[..., None], R @ X.mT + t[..., None], atol=1e-7, rtol=0)
    torch.testing.assert_close(torch.linalg.det(R_found), torch.ones(4, dtype=torch.float64))


def test_points_of_weight_zero_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    R, t = random_rotations(1, generator), torch.randn(1, 3, generator=generator, dtype=torch.float64)
    X = torch.randn(1, 20, 3, generator=generator, dtype=torch.float64)
    Y = transform(R, t, X)
    Y[:, 10:] = torch.randn(1, 10, 3, generator=generator, dtype=torch.float64)
    mask = torch.arange(20)[None] < 10
    for weights in (mask, mask.double() * 7):
        R_found, t_found = kabsch(X, Y, weights)
        torch.testing.assert_close(R_found, R)
        torch.testing.assert_close(t_found, t)


@pytest.mark.parametrize("case", ["plain", "weighted", "masked"])
def test_recorded_motions(recorded, case: str) -> None:
    z = np.load(recorded / "solver.npz")
    weights = {"plain": None, "weighted": "weights", "masked": "mask"}[case]
    R, t = kabsch(
        *(torch.from_numpy(z[n]) for n in ("X", "Y")), None if weights is None else torch.from_numpy(z[weights])
    )
    torch.testing.assert_close(R, torch.from_numpy(z[f"{case}/R"]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(t, torch.from_numpy(z[f"{case}/t"]), rtol=1e-4, atol=1e-5)


def test_mirrored_points_give_a_rotation_not_a_reflection() -> None:
    X = torch.randn(1, 10, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    R, _ = kabsch(X, X * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
def test_gradients_by_finite_differences(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    X, Y, w = (torch.rand(3, 5, n, generator=generator, dtype=torch.float64).squeeze(-1) for n in (3, 3, 1))
    for tensor in (X, Y, w):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(kabsch, (X, Y, w))


def test_the_implicit_gradient_equals_autograd_through_the_svd() -> None:
    M = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)

    def by_svd(M: Tensor) -> Tensor:
        U, _, Vh = torch.linalg.svd(M)
        sign = torch.ones(len(M), 3, dtype=M.dtype)
        sign[:, 2] = torch.linalg.det(U @ Vh).sign().detach()
        return (U * sign[:, None]) @ Vh

    weights = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (ours,) = torch.autograd.grad((nearest_rotation(M) * weights).sum(), M)
    (theirs,) = torch.autograd.grad((by_svd(M) * weights).sum(), M)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["collinear", "coincident", "planar", "isotropic", "single", "no weight"])
def test_gradients_stay_finite_on_degenerate_points(kind: str, dtype: torch.dtype) -> None:
    X = torch.randn(8, 3, generator=torch.Generator().manual_seed(4), dtype=dtype)
    weights = torch.ones(8, dtype=dtype)
    if kind == "collinear":
        X = X[:, :1] * torch.tensor([1.0, 2.0, 3.0], dtype=dtype)
    elif kind == "coincident":
        X = X[:1].expand(8, 3)
    elif kind == "planar":
        X = X * torch.tensor([1.0, 1.0, 0.0], dtype=dtype)
    elif kind == "isotropic":  # three equal singular values: autograd through the SVD divides by zero
        X = torch.cat([torch.eye(3, dtype=dtype), -torch.eye(3, dtype=dtype)])
    elif kind == "single":
        X = X[:1]
    else:
        weights = torch.zeros(8, dtype=dtype)
    X = X.clone().requires_grad_()
    R, t = kabsch(X, X.detach() + 1, weights[: len(X)])
    (R.sum() + t.sum()).backward()
    assert torch.isfinite(R).all()
    assert torch.isfinite(X.grad).all()


@given(st.floats(0, 180))
def test_angles_are_exact_at_both_ends(degrees: float) -> None:
    R = rotation_about_z(degrees)
    assert float(rotation_angle_deg(R)) == pytest.approx(degrees, abs=1e-9)
    assert float(rotation_angle_deg(R.T)) == pytest.approx(degrees, abs=1e-9)


def test_a_tiny_angle_survives_float32() -> None:
    assert float(rotation_angle_deg(rotation_about_z(1e-3).float())) == pytest.approx(1e-3, rel=1e-3)


def test_pose_errors_of_a_known_offset() -> None:
    generator = torch.Generator().manual_seed(5)
    R, t = random_rotations(5, generator), torch.randn(5, 3, generator=generator, dtype=torch.float64)
    degrees, metres = pose_errors(R @ rotation_about_z(12.0), t + torch.tensor([0.0, 0.3, 0.4]), R, t)
    torch.testing.assert_close(degrees, torch.full((5,), 12.0, dtype=torch.float64))
    torch.testing.assert_close(metres, torch.full((5,), 0.5, dtype=torch.float64))


def test_inverse_undoes_a_motion() -> None:
    generator = torch.Generator().manual_seed(6)
    R, t = random_rotations(2, generator), torch.randn(2, 3, generator=generator, dtype=torch.float64)
    X = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(transform(*inverse(R, t), transform(R, t, X)), X)

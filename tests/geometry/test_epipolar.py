"""Epipolar lines and triangulated depths of points with a known pose."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mickey_hloc.geometry import backproject, project, transform
from mickey_hloc.geometry.epipolar import (
    epipolar_distances,
    fundamental_matrix,
    near_epipolar_lines,
    triangulate_depths,
)

Scene = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def scene(seed: int = 0, pairs: int = 2, points: int = 30) -> Scene:
    """R, t, K0, K1, keypoints0, keypoints1, depths0 of points before two different cameras."""
    g = torch.Generator().manual_seed(seed)
    a = 0.15 * torch.randn(pairs, 3, 3, generator=g, dtype=torch.float64)
    R = torch.linalg.matrix_exp(a - a.mT)
    t = torch.nn.functional.normalize(torch.randn(pairs, 3, generator=g, dtype=torch.float64), dim=-1) * 0.4
    K0 = torch.tensor([[260.0, 0, 159.5], [0, 255.0, 119.5], [0, 0, 1]], dtype=torch.float64).expand(pairs, 3, 3)
    K1 = torch.tensor([[500.0, 0, 300.0], [0, 510.0, 250.0], [0, 0, 1]], dtype=torch.float64).expand(pairs, 3, 3)
    keypoints0 = torch.rand(pairs, points, 2, generator=g, dtype=torch.float64) * torch.tensor([320.0, 240.0])
    depths0 = 1.5 + 3.0 * torch.rand(pairs, points, generator=g, dtype=torch.float64)
    points1 = transform(R, t, backproject(keypoints0, depths0, K0))
    assert bool((points1[..., 2] > 0.1).all())
    return R, t, K0, K1, keypoints0, project(points1, K1), depths0


@given(st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_true_matches_meet_at_their_depth_and_on_their_lines(seed: int) -> None:
    R, t, K0, K1, keypoints0, keypoints1, depths0 = scene(seed)
    depths, disparity = triangulate_depths(keypoints0, keypoints1, R, t, K0, K1)
    far = transform(R, t, backproject(keypoints0, torch.full_like(depths0, 1e7), K0))
    expected = (keypoints1 - project(far, K1)).norm(dim=-1)
    torch.testing.assert_close(disparity, expected, rtol=1e-3, atol=1e-3)
    seen = disparity > 1.0  # along the baseline a point's depth cannot be seen
    torch.testing.assert_close(depths[seen], depths0[seen], rtol=1e-6, atol=1e-6)
    assert float(epipolar_distances(keypoints0, keypoints1, fundamental_matrix(R, t, K0, K1)).max()) < 1e-5


def test_rays_that_part_have_a_negative_depth() -> None:
    R, t, K0, K1, keypoints0, keypoints1, depths0 = scene()
    far = project(transform(R, t, backproject(keypoints0, torch.full_like(depths0, 1e7), K0)), K1)
    beyond = far + 0.2 * (far - keypoints1)  # on the other side of the point at infinity
    assert bool((triangulate_depths(keypoints0, beyond, R, t, K0, K1)[0] < 0).all())


def test_a_keypoint_moved_off_its_line() -> None:
    R, t, K0, K1, keypoints0, keypoints1, _ = scene()
    F = fundamental_matrix(R, t, K0, K1)
    lines = torch.cat([keypoints0, torch.ones_like(keypoints0[..., :1])], dim=-1) @ F.mT
    normals = torch.nn.functional.normalize(lines[..., :2], dim=-1)
    moved = keypoints1 + 7.0 * normals
    assert float(epipolar_distances(keypoints0, moved, F).min()) > 7.0 - 1e-6  # the larger of both distances


def test_all_pairs_at_once_agree_with_single_ones() -> None:
    R, t, K0, K1, keypoints0, keypoints1, _ = scene(points=12)
    F = fundamental_matrix(R, t, K0, K1)
    near = near_epipolar_lines(keypoints0, keypoints1, F, 5.0)
    for i in range(12):
        single = epipolar_distances(keypoints0[:, i : i + 1].expand(-1, 12, -1), keypoints1, F) < 5.0
        assert torch.equal(near[:, i], single)
    assert bool(near.diagonal(dim1=1, dim2=2).all())


def test_gradients() -> None:
    R, t, K0, K1, keypoints0, keypoints1, _ = scene(points=4)
    F = fundamental_matrix(R, t, K0, K1)
    moved = (keypoints0 + torch.tensor([1.0, -2.0])).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: epipolar_distances(x, keypoints1, F), (moved,))
    assert torch.autograd.gradcheck(lambda x: triangulate_depths(x, keypoints1, R, t, K0, K1)[0], (moved,))

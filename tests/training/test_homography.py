"""Homographies of single images: geometry of the warp, and the loss on true matches."""

import torch

from mickey_hloc.training.homography import (
    HomographyOptions,
    apply_homographies,
    matching_loss,
    random_homographies,
    vary_brightness,
    warp_images,
)

OPTIONS = HomographyOptions(steps=1)


def test_warped_pixels_are_where_the_homography_says() -> None:
    H = random_homographies(4, (64, 48), OPTIONS, seed=3)
    v, u = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    ramp = torch.stack([u, v, torch.ones_like(u)])[None].expand(4, -1, -1, -1)
    warped = warp_images(ramp, H)
    points = torch.tensor([[20.0, 15.0], [32.0, 24.0], [40.0, 30.0]])
    target = apply_homographies(H, points)
    inside = ((target > 2) & (target < torch.tensor([61.0, 45.0]))).all(dim=-1)
    assert inside.any()
    nearest = target.round().long()
    for b, i in inside.nonzero().tolist():
        x, y = nearest[b, i]
        found = warped[b, :2, y, x]
        expected = apply_homographies(torch.linalg.inv(H[b : b + 1]), nearest[b : b + 1, i : i + 1].float())[0, 0]
        assert torch.allclose(found, expected, atol=0.02)


def test_seeds() -> None:
    first, second, other = (random_homographies(2, (64, 48), OPTIONS, seed) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(vary_brightness(images, 0.3, 1), vary_brightness(images, 0.3, 1))
    assert torch.equal(vary_brightness(images, 0.0, 1), images)


def test_loss_prefers_the_true_matches() -> None:
    keypoints0 = torch.rand(2, 12, 2) * 40
    H = random_homographies(2, (64, 48), OPTIONS, seed=0)
    keypoints1 = apply_homographies(H, keypoints0).flip(1)
    right = torch.eye(12).flip(0)[None].expand(2, -1, -1).clone().requires_grad_()
    wrong = torch.full((2, 12, 12), 1e-3)
    assert matching_loss(right, keypoints0, keypoints1, H, 4.0) < 1e-6
    assert matching_loss(wrong, keypoints0, keypoints1, H, 4.0) > 5
    far = matching_loss(right, keypoints0, keypoints1 + 1000, H, 4.0)
    assert far == 0
    far.backward()
    assert right.grad is not None
    assert not right.grad.any()

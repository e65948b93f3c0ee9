"""Pinhole cameras: back-projection, projection, intrinsics under resize.

Pixel convention, everywhere in this package: the centre of the top-left pixel is (0, 0).
"""

import torch
from torch import Tensor


def check_shape(name: str, tensor: Tensor, *trailing: int | None) -> None:
    """Raise a ValueError unless the last axes of ``tensor`` are ``trailing`` (None = any length)."""
    shape = tuple(tensor.shape)
    fits = len(shape) >= len(trailing) and all(
        want is None or have == want for have, want in zip(shape[len(shape) - len(trailing) :], trailing, strict=True)
    )
    if not fits:
        wanted = " x ".join("N" if n is None else str(n) for n in trailing)
        raise ValueError(f"{name} must have shape (..., {wanted}), got {shape}")


def backproject(keypoints: Tensor, depths: Tensor, K: Tensor) -> Tensor:
    """Lift keypoints to 3-D points in the camera frame: X = z K^-1 (u, v, 1).

    Args:
        keypoints: (..., N, 2) pixels.
        depths: (..., N) metres along the optical axis.
        K: (..., 3, 3) intrinsics, zero skew allowed or not.

    Returns:
        (..., N, 3) metres.

    Example:
        >>> K = torch.tensor([[100.0, 0, 31.5], [0, 100, 23.5], [0, 0, 1]])  # of 64 x 48 pixels
        >>> backproject(torch.tensor([[31.5, 23.5], [81.5, 23.5]]), torch.tensor([2.0, 2.0]), K).round(decimals=3)
        tensor([[0., 0., 2.],
                [1., 0., 2.]])
    """
    check_shape("keypoints", keypoints, None, 2)
    check_shape("depths", depths, keypoints.shape[-2])
    check_shape("K", K, 3, 3)
    homogeneous = torch.cat([keypoints, torch.ones_like(keypoints[..., :1])], dim=-1)
    rays = homogeneous @ torch.linalg.inv(K).transpose(-1, -2)
    return rays * depths[..., None]


def project(points: Tensor, K: Tensor, min_depth: float = 1e-6) -> Tensor:
    """Project 3-D points of the camera frame to pixels.

    Args:
        points: (..., N, 3) metres.
        K: (..., 3, 3) intrinsics.
        min_depth: metres; points nearer than this, also those behind the camera, are projected at this depth.

    Returns:
        (..., N, 2) pixels.

    Example:
        >>> K = torch.tensor([[100.0, 0, 31.5], [0, 100, 23.5], [0, 0, 1]])
        >>> project(torch.tensor([[1.0, 0.0, 2.0]]), K)
        tensor([[81.5000, 23.5000]])
    """
    check_shape("points", points, None, 3)
    check_shape("K", K, 3, 3)
    image = points @ K.transpose(-1, -2)
    return image[..., :2] / image[..., 2:].clamp(min=min_depth)


def resize_intrinsics(K: Tensor, size: tuple[float, float], new_size: tuple[float, float]) -> Tensor:
    """Intrinsics after resizing the image; with pixel centres at integers, c' = s c + s/2 - 1/2.

    Args:
        K: (..., 3, 3) intrinsics of an image of ``size``.
        size: (width, height) before.
        new_size: (width, height) after.

    Returns:
        (..., 3, 3) intrinsics.

    Example:
        The middle of 64 x 48 pixels is (31.5, 23.5); that of 32 x 24 pixels is (15.5, 11.5).

        >>> K = torch.tensor([[100.0, 0, 31.5], [0, 100, 23.5], [0, 0, 1]])
        >>> resize_intrinsics(K, (64, 48), (32, 24))
        tensor([[50.0000,  0.0000, 15.5000],
                [ 0.0000, 50.0000, 11.5000],
                [ 0.0000,  0.0000,  1.0000]])
    """
    check_shape("K", K, 3, 3)
    sx, sy = new_size[0] / size[0], new_size[1] / size[1]
    rows = [[sx, 0.0, sx / 2 - 0.5], [0.0, sy, sy / 2 - 0.5], [0.0, 0.0, 1.0]]
    return torch.tensor(rows, dtype=K.dtype, device=K.device) @ K

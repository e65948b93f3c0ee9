"""Virtual correspondence reprojection error: how far virtual objects move in the image under a wrong pose.

Source: Arnold et al., "Map-free visual relocalization", ECCV 2022; as a training loss, MicKey Eq. 7.
"""

import torch
from torch import Tensor

from mickey_hloc.geometry.camera import project


def benchmark_grid(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """The benchmark's virtual points: 7 x 4 x 7, 0.3 m apart, x and y centred, z from 1.8 m. (196, 3) metres."""
    x, y, z = torch.meshgrid(
        (torch.arange(7, dtype=dtype, device=device) - 3.0) * 0.3,
        (torch.arange(4, dtype=dtype, device=device) - 1.5) * 0.3,
        torch.arange(7, dtype=dtype, device=device) * 0.3 + 1.8,
        indexing="ij",
    )
    return torch.stack([x, y, z], dim=-1).reshape(-1, 3)


def virtual_correspondence_errors(
    R: Tensor,
    t: Tensor,
    R_gt: Tensor,
    t_gt: Tensor,
    K: Tensor,
    image_size: tuple[float, float] | None,
    grid: Tensor | None = None,
    min_depth: float | None = 1e-3,
    epsilon: float = 1e-6,
) -> Tensor:
    """VCRE: mean pixel distance by which virtual points of camera 0 move under the residual of two poses.

    The points are carried into camera 1 by the estimated ``cam1_from_cam0``, back into camera 0 by the true one, and
    compared with where they were, in the image of camera 0.

    Args:
        R, t: (..., 3, 3) and (..., 3) estimated cam1_from_cam0, metres.
        R_gt, t_gt: (..., 3, 3) and (..., 3) true cam1_from_cam0, metres.
        K: (..., 3, 3) intrinsics of camera 0.
        image_size: (width, height); projections are clamped to it. None = not clamped.
        grid: (P, 3) virtual points in the frame of camera 0, metres. Default: the benchmark's.
        min_depth: metres; points nearer than this, also behind the camera, are projected at this depth. None: they
            are divided by their depth as it is, as the Map-free benchmark does.
        epsilon: square pixels under the root, which keep the gradient finite where the poses agree.

    Returns:
        (...) pixels.

    Example:
        One point at 2 m, and a pose that is wrong by 0.1 m: 100 px / 2 m * 0.1 m.

        >>> K = torch.tensor([[100.0, 0, 31.5], [0, 100, 23.5], [0, 0, 1]])
        >>> true = torch.eye(3), torch.zeros(3)
        >>> wrong = torch.eye(3), torch.tensor([0.1, 0.0, 0.0])
        >>> point = torch.tensor([[0.0, 0.0, 2.0]])
        >>> round(float(virtual_correspondence_errors(*wrong, *true, K, image_size=(64, 48), grid=point)), 3)
        5.0
    """
    points = benchmark_grid(R.device, R.dtype) if grid is None else grid.to(R)
    points_cam1 = points @ R.transpose(-1, -2) + t[..., None, :]
    points_back = (points_cam1 - t_gt[..., None, :]) @ R_gt  # cam0 from cam1 under the true pose
    pixels = _project_clamped(points, K, image_size, min_depth)
    offsets = _project_clamped(points_back, K, image_size, min_depth) - pixels
    return (offsets.square().sum(dim=-1) + epsilon).sqrt().mean(dim=-1)


def _project_clamped(
    points: Tensor, K: Tensor, image_size: tuple[float, float] | None, min_depth: float | None
) -> Tensor:
    if min_depth is None:
        image = points @ K.transpose(-1, -2)
        pixels = image[..., :2] / image[..., 2:]
    else:
        pixels = project(points, K, min_depth=min_depth)
    if image_size is None:
        return pixels
    u = pixels[..., 0].clamp(0.0, image_size[0])
    v = pixels[..., 1].clamp(0.0, image_size[1])
    return torch.stack([u, v], dim=-1)

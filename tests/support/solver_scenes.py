"""Synthetic pairs with a known metric pose, as every solver takes them: with matches and with a probability."""

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry import backproject, pose_errors, project, transform
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.geometry.rigid import skew
from mickey_hloc.solvers import PoseProblem, View, finding_solvers

# Those that find a pose by themselves; the others take the one that a pair model predicts.
FINDING = finding_solvers()

SIZE = (640, 480)
K = torch.tensor([[520.0, 0, 321], [0, 530.0, 239], [0, 0, 1]])


def rotation(x: float, y: float, z: float) -> Tensor:
    """(3, 3) float64 of a rotation vector in radians."""
    return torch.linalg.matrix_exp(skew(torch.tensor([x, y, z], dtype=torch.float64)))


R_TRUE = rotation(0.05, -0.2, 0.08)
T_TRUE = torch.tensor([0.4, -0.1, 0.25], dtype=torch.float64)


def problem_of(view0: View, view1: View, matches: Tensor) -> PoseProblem:
    """A problem that solvers on matches and solvers on probability can both take."""
    probability = torch.zeros(len(view0.keypoints), len(view1.keypoints))
    probability[matches[:, 0], matches[:, 1]] = 1.0
    return PoseProblem(view0, view1, matches, torch.ones(len(matches)), probability)


def make_scene(
    inliers: int = 80,
    outliers: int = 0,
    unmatched: tuple[int, int] = (0, 0),
    noise_px: float = 0.0,
    depth_noise: float = 0.0,
    seed: int = 0,
    R: Tensor = R_TRUE,
    t: Tensor = T_TRUE,
    K0: Tensor = K,
    K1: Tensor = K,
    depths0: Tensor | None = None,
) -> PoseProblem:
    """Points seen by both cameras (drawn in view 0), then wrong matches, then keypoints without match; shuffled.

    ``depth_noise`` is relative. ``depths0`` (inliers,) replaces the random depths of 1.5 to 5 m.
    """
    g = torch.Generator().manual_seed(seed)

    def uniform(n: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=g, dtype=torch.float64)

    def pixels(n: int) -> Tensor:
        return torch.stack([uniform(n, 0, SIZE[0] - 1), uniform(n, 0, SIZE[1] - 1)], dim=-1)

    def noisy(values: Tensor, sigma: float) -> Tensor:
        return values + sigma * torch.randn(values.shape, generator=g, dtype=torch.float64)

    seen0 = pixels(inliers)
    z0 = uniform(inliers, 1.5, 5.0) if depths0 is None else depths0.double()
    moved = transform(R, t, backproject(seen0, z0, K0.double()))
    extra = [outliers + count for count in unmatched]
    keypoints = [torch.cat([noisy(seen0, noise_px), pixels(extra[0])])]
    keypoints.append(torch.cat([noisy(project(moved, K1.double()), noise_px), pixels(extra[1])]))
    depths = [z0, moved[:, 2]]
    depths = [
        torch.cat([z * noisy(torch.ones(inliers), depth_noise), uniform(n, 1.5, 5.0)])
        for z, n in zip(depths, extra, strict=True)
    ]
    orders = [torch.randperm(len(z), generator=g) for z in depths]
    views = [
        View(kp[o].float(), z[o].float(), Ki, SIZE)
        for kp, z, o, Ki in zip(keypoints, depths, orders, (K0, K1), strict=True)
    ]
    places = [torch.argsort(order)[: inliers + outliers] for order in orders]
    matches = torch.stack(places, dim=-1)
    return problem_of(*views, matches[torch.randperm(len(matches), generator=g)])


def errors(pose: RelativePose, R: Tensor = R_TRUE, t: Tensor = T_TRUE) -> tuple[float, float]:
    """Rotation error in degrees and translation error in metres."""
    degrees, metres = pose_errors(torch.from_numpy(pose.R), torch.from_numpy(np.array(pose.t)), R, t)
    return float(degrees), float(metres)

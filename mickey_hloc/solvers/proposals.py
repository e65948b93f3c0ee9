"""Poses that estimators of one view's depth or of pixels alone propose, in the units of both depth maps."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mickey_hloc.geometry import transform
from mickey_hloc.solvers.depth_model import DepthModel

Candidate = tuple[Tensor, Tensor, DepthModel]  # R (3, 3), t (3,) metres, and the scales of both depth maps


def with_ratio(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, model: DepthModel, measured_in: int) -> list[Candidate]:
    """A pose in the units of one view's depth, brought to the geometric mean of both."""
    if measured_in == 0:
        ratios = transform(R, t, X)[:, 2] / Y[:, 2]
    else:
        ratios = X[:, 2] / ((Y - t) @ R)[:, 2]
    ratios = ratios[ratios > 0]
    if len(ratios) == 0:
        return []
    log_ratio = float(ratios.log().median())
    to_mean = math.exp(-log_ratio / 2 if measured_in == 0 else log_ratio / 2)
    return [(R, t * to_mean, replace(model, log_ratio=log_ratio))]


def with_triangulated_scale(
    R: Tensor, direction: Tensor, rays0: Tensor, rays1: Tensor, depths0: Tensor, depths1: Tensor, model: DepthModel
) -> list[Candidate]:
    """A pose of unit translation with the scales by which triangulated depths become the given ones (medians)."""
    turned = rays0 @ R.mT
    # Least squares of z1 ray1 - z0 R ray0 = direction, for each match.
    A = torch.stack([-turned, rays1], dim=-1)
    if not bool(torch.isfinite(A).all()):  # LAPACK has no answer to these
        return []
    triangulated = torch.linalg.lstsq(A, direction.expand(len(A), 3)[..., None]).solution[..., 0]
    in_front = (triangulated > 1e-6).all(dim=-1)
    if int(in_front.sum()) < max(3, len(A) // 10):
        return []
    logs0 = (depths0[in_front] / triangulated[in_front, 0]).log().median()
    logs1 = (depths1[in_front] / triangulated[in_front, 1]).log().median()
    length = math.exp(float(logs0 + logs1) / 2)
    return [(R, direction * length, replace(model, log_ratio=float(logs0 - logs1)))]

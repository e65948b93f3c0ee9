"""Averages of several estimates of one camera: robust medians of positions and rotations, and their consensus.

Here all poses are cam_from_world (R, t).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.geometry.rigid import (
    _axis_of_skew_part,
    camera_centres,
    nearest_rotation,
    rotation_angle_deg,
    skew,
    translations,
)


def geometric_median(points: Tensor, weights: Tensor | None = None) -> Tensor:
    """The point with the smallest weighted sum of distances to the points.

    Args:
        points: (N, D), N >= 1, finite.
        weights: (N,), >= 0, not all 0. Default: equal.

    Returns:
        (D,).
    """
    check_shape("points", points, None, None)
    w = _checked_weights(weights, points[:, 0])
    return _median(points, w, offsets=lambda place: points - place[..., None, :], move=lambda place, step: place + step)


def chordal_mean(R: Tensor, weights: Tensor | None = None) -> Tensor:
    """The rotation with the smallest weighted sum of squared chordal distances: (N, 3, 3) -> (3, 3).

    Source: Hartley, Trumpf, Dai and Li, "Rotation averaging", IJCV 2013, section 5.3.
    """
    check_shape("R", R, 3, 3)
    w = _checked_weights(weights, R[:, 0, 0])
    return nearest_rotation((w[:, None, None] * R).sum(dim=0))


def rotation_median(R: Tensor, weights: Tensor | None = None) -> Tensor:
    """The rotation with the smallest weighted sum of angles to the rotations: (N, 3, 3) -> (3, 3).

    It is unique where they lie within 90 degrees of each other. Source: the geodesic L1 mean of Hartley, Aftab and
    Trumpf, "L1 rotation averaging using the Weiszfeld algorithm", CVPR 2011.
    """
    check_shape("R", R, None, 3, 3)
    w = _checked_weights(weights, R[:, 0, 0])
    return nearest_rotation(
        _median(
            R,
            w,
            offsets=lambda place: _log(R @ place.transpose(-1, -2)[..., None, :, :]),
            move=lambda place, step: torch.linalg.matrix_exp(skew(step)) @ place,
        )
    )


def fuse_poses(
    R: Tensor,
    t: Tensor,
    weights: Tensor | None = None,
    max_rotation_deg: float = 10.0,
    max_distance_m: float = 0.5,
) -> tuple[Tensor, Tensor, Tensor]:
    """One camera's pose from several estimates of it, some of them wrong.

    The estimate with the most weight near it (the first such) decides which ones belong together; these are fused by
    the medians of their rotations and positions, and once more with the estimates near that result.

    Args:
        R, t: (N, 3, 3) and (N, 3) estimates of one cam_from_world, metres. Those that are not finite are left out.
        weights: (N,), >= 0, e.g. confidences; estimates of weight 0 take no part. Default: equal.
        max_rotation_deg: estimates further apart do not support each other.
        max_distance_m: metres between camera positions; estimates further apart do not support each other.

    Returns:
        R (3, 3), t (3,) and which estimates agree with them, (N,) bool.

    Raises:
        ValueError: no usable estimate, or a negative weight.
    """
    check_shape("R", R, None, 3, 3)
    check_shape("t", t, len(R), 3)
    w = torch.ones_like(t[:, 0]) if weights is None else weights.to(t)
    check_shape("weights", w, len(R))
    if bool((w < 0).any()):
        raise ValueError("weights must not be negative")
    usable = torch.isfinite(R).all(dim=-1).all(dim=-1) & torch.isfinite(t).all(dim=-1) & torch.isfinite(w) & (w > 0)
    if not bool(usable.any()):
        raise ValueError("no usable estimate: all are without weight or not finite")
    R, t, w = R[usable], t[usable], w[usable]
    positions = camera_centres(R, t)

    near = rotation_angle_deg(R[:, None].transpose(-1, -2) @ R[None]) <= max_rotation_deg
    near &= torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist") <= max_distance_m
    agree = near[(near * w).sum(dim=1).argmax()]
    for _ in range(2):
        R_fused = rotation_median(R[agree], w[agree])
        position = geometric_median(positions[agree], w[agree])
        close = (rotation_angle_deg(R_fused.T @ R) <= max_rotation_deg) & (
            torch.linalg.vector_norm(positions - position, dim=-1) <= max_distance_m
        )
        if not bool(close.any()) or bool((close == agree).all()):
            break
        agree = close
    inliers = torch.zeros_like(usable)
    inliers[usable] = agree
    return R_fused, translations(R_fused, position), inliers


def _checked_weights(weights: Tensor | None, like: Tensor) -> Tensor:
    w = torch.ones_like(like) if weights is None else weights.to(like)
    check_shape("weights", w, len(like))
    if len(w) == 0 or bool((w < 0).any()) or not bool(w.sum() > 0):
        raise ValueError("an average needs at least one element and weights >= 0 that are not all 0")
    return w


def _median(
    elements: Tensor, weights: Tensor, offsets: Callable[[Tensor], Tensor], move: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Minimise the weighted sum of distances by Newton steps, and by Weiszfeld's where Newton's does not help.

    Args:
        elements: (N, ...) what is averaged.
        offsets: (..., N, D) vectors from places (..., ) to all elements.
        move: the place reached from a place by a vector (D,).
    """
    distances = torch.linalg.vector_norm(offsets(elements), dim=-1)
    best = (distances * weights).sum(dim=-1).argmin()
    place = elements[best]
    # An element is the minimum if the others pull less than its own weight (Vardi and Zhang 2000).
    here = distances[best] <= 1e-12 * distances[best].max()
    force, hessian, stiffness = _forces(offsets(place)[~here], weights[~here])
    excess = 1.0 - weights[here].sum() / torch.linalg.vector_norm(force)
    if bool(here.all()) or not bool(excess > 0):
        return place
    place = move(place, force / stiffness * excess)
    for _ in range(100):
        around = offsets(place)
        cost = (weights * torch.linalg.vector_norm(around, dim=-1)).sum()
        force, hessian, stiffness = _forces(around, weights)
        damped = hessian + 1e-9 * stiffness * torch.eye(len(force)).to(force)  # collinear elements
        for step in (torch.linalg.solve(damped, force), force / stiffness):
            candidate = move(place, step)
            if bool((weights * torch.linalg.vector_norm(offsets(candidate), dim=-1)).sum() < cost):
                place = candidate
                break
        else:
            break
    return place


def _forces(offsets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Minus the gradient (D,) and the Hessian (D, D) of sum w |offset|, and the weights over the distances, summed."""
    distances = torch.linalg.vector_norm(offsets, dim=-1).clamp(min=torch.finfo(offsets.dtype).tiny ** 0.5)
    directions = offsets / distances[:, None]
    pull = weights / distances
    stiffness = pull.sum()
    hessian = stiffness * torch.eye(offsets.shape[-1]).to(offsets) - (directions * pull[:, None]).T @ directions
    return (weights[:, None] * directions).sum(dim=0), hessian, stiffness


def _log(R: Tensor) -> Tensor:
    """Axis times angle (radians) of rotations below 180 degrees: (N, 3, 3) -> (N, 3)."""
    axis = torch.nn.functional.normalize(_axis_of_skew_part(R), dim=-1, eps=torch.finfo(R.dtype).tiny)
    return axis * torch.deg2rad(rotation_angle_deg(R))[..., None]

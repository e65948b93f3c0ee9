"""What speaks for a pose, gathered alike for all solvers from the pose, its correspondences and their residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry import inverse, rotation_angle_deg, transform
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import CovarianceParts
from mickey_hloc.solvers.base import PoseProblem, View
from mickey_hloc.solvers.chance import log10_false_alarms, nearby_pairs, num_distinct
from mickey_hloc.solvers.covariance import Minimised, isotropic_covariance, pose_uncertainty, vcre_std
from mickey_hloc.solvers.plane import rival_share
from mickey_hloc.solvers.residuals import reprojection_errors, sampson_errors

EPIPOLAR_SHARE = 0.005  # of the image diagonal: 4 px at 640 x 480
REPROJECTION_SHARE = 0.015  # 12 px
KEYPOINT_SHARE = 0.00125  # 1 px


@dataclass(frozen=True, eq=False)
class Judged:
    """Correspondences that a pose is judged by, and how a solver sees them.

    Attributes:
        pairs: (M, 2) int64 keypoint indices.
        residuals: (M,) in the solver's own unit; an inlier is below ``threshold``.
        wrong_residuals: (P,) of pairs that were not matched.
        minimal: correspondences that define a pose of the solver.
        probabilities: (M,) in [0, 1].
        minimised: what the solver minimises, see ``covariance``.
        distinct_px: inliers nearer than about this in an image are one piece of evidence.
        depth_log_ratio: log of the ratio of both depth maps' scales, where the solver estimated it.
    """

    pairs: Tensor
    residuals: Tensor
    wrong_residuals: Tensor
    threshold: float
    minimal: int
    probabilities: Tensor
    minimised: Minimised
    distinct_px: float = 4.0
    depth_log_ratio: float | None = None


def gather(problem: PoseProblem, R: Tensor, t: Tensor, judged: Judged) -> tuple[Evidence, CovarianceParts]:
    """The evidence for cam1_from_cam0 = (R (3, 3), t (3,) metres), and the parts of its covariance."""
    view0, view1 = problem.view0, problem.view1
    i, j = judged.pairs.unbind(dim=-1)
    inliers = judged.residuals < judged.threshold
    kp0, kp1 = view0.keypoints[i], view1.keypoints[j]
    points0, points1 = view0.points(), view1.points()
    X, Y = points0[i], points1[j]
    known = view0.usable[i] & view1.usable[j]
    both = inliers & known

    num = int(inliers.sum())
    distinct = num_distinct(kp0[inliers], kp1[inliers], judged.distinct_px)
    share = distinct / num if num else 1.0
    epipolar = sampson_errors(R, t, kp0, kp1, view0.K, view1.K) / diagonal_px(view1)
    reprojection = _reprojection(problem, R, t, judged.pairs)
    in_pixels = inliers & (epipolar < EPIPOLAR_SHARE) & (reprojection < REPROJECTION_SHARE)
    near = _reprojection(problem, R, t, nearby_pairs(judged.pairs, view1.keypoints))
    moved_z = transform(R, t, X)[:, 2]
    log_ratio = (moved_z / Y[:, 2]).log()[both & (moved_z > 0)]
    scale = judged.depth_log_ratio if judged.depth_log_ratio is not None else _median(log_ratio)
    sigma_px = KEYPOINT_SHARE * diagonal_px(view1)
    parts = pose_uncertainty(problem, judged.pairs[inliers], R, t, judged.minimised, sigma_px)
    evidence = Evidence(
        num_correspondences=len(judged.pairs) * share,
        num_inliers=float(distinct),
        minimal=float(judged.minimal),
        probability_sum=float(judged.probabilities[inliers].sum()) * share,
        probability_total=float(judged.probabilities.sum()) * share,
        pixel_inliers=float(in_pixels.sum()) * share,
        pixel_probability=float(judged.probabilities[in_pixels].sum()) * share,
        epipolar_error=_median(epipolar[inliers]),
        reprojection_error=_median(reprojection[inliers]),
        depth_disagreement=_median(log_ratio.abs()),
        depth_log_ratio=abs(scale),
        log10_nfa=log10_false_alarms(
            judged.residuals, judged.wrong_residuals, judged.threshold, judged.minimal, share, extrapolate=True
        ),
        local_log10_nfa=log10_false_alarms(
            reprojection, near, 2 * REPROJECTION_SHARE, judged.minimal, share, extrapolate=True
        ),
        spread=min(_spread(kp0[inliers], view0), _spread(kp1[inliers], view1)),
        rotation_std_deg=_rotation_std_deg(parts),
        line_distance=min(line_distance(kp0[inliers], view0), line_distance(kp1[inliers], view1)),
        vcre_std=vcre_std(isotropic_covariance(R, t, X[both], Y[both]), R, t, view0.K, diagonal_px(view0)),
        scale_vcre=vcre_std(torch.from_numpy(0.01 * parts.depth_scales), R, t, view0.K, diagonal_px(view0)),
        depth_spread=min(_log_spread(view0.depths[i[known]]), _log_spread(view1.depths[j[known]])),
        rival_share=rival_share(problem, judged.pairs[both], R, t, diagonal_px(view1)),
        rotation_deg=float(rotation_angle_deg(R.double())),
        distance_m=float(torch.linalg.vector_norm(t)),
    )
    return evidence, parts


def line_distance(keypoints: Tensor, view: View) -> float:
    """Median distance of keypoints (k, 2) from the line that most of them lie on, share of the diagonal."""
    if len(keypoints) < 3:
        return 0.0
    kept = keypoints.double()
    every, distances = kept, kept.new_zeros(len(kept))
    for _ in range(4):  # the line follows the majority: others may be inliers by chance
        centre = kept.mean(dim=0)
        across = torch.linalg.svd(kept - centre, full_matrices=False).Vh[1]
        distances = ((every - centre) @ across).abs()
        kept = every[distances <= torch.quantile(distances, 0.6)]
        if len(kept) < 2:
            break
    return float(distances.median()) / diagonal_px(view)


def diagonal_px(view: View) -> float:
    """Diagonal of the image in pixels; where its size is unknown, that of an image around the principal point."""
    width, height = view.image_size or (2 * float(view.K[0, 2]) + 1, 2 * float(view.K[1, 2]) + 1)
    return math.hypot(width, height)


def _reprojection(problem: PoseProblem, R: Tensor, t: Tensor, pairs: Tensor) -> Tensor:
    """(P,) distance between keypoints and the partner's projection, share of the diagonal, mean of both images.

    Where only one view has depth, the other image alone counts; where none has, it is inf.
    """
    view0, view1 = problem.view0, problem.view1
    i, j = pairs.unbind(dim=-1)
    X, Y = view0.points()[i], view1.points()[j]
    R, t = R.to(X), t.to(X)
    forward = reprojection_errors(R, t, X, view1.keypoints[j], view1.K) / diagonal_px(view1)
    backward = reprojection_errors(*inverse(R, t), Y, view0.keypoints[i], view0.K) / diagonal_px(view0)
    forward = torch.where(view0.usable[i], forward, backward)
    backward = torch.where(view1.usable[j], backward, forward)
    return ((forward + backward) / 2).nan_to_num(nan=math.inf)


def _median(values: Tensor) -> float:
    return float(values.median()) if len(values) else math.inf


def _spread(keypoints: Tensor, view: View) -> float:
    """Square root of the area that keypoints (k, 2) cover, as a share of the image's; 1 = evenly all over it."""
    if len(keypoints) < 3:
        return 0.0
    area = torch.linalg.det(torch.cov(keypoints.double().T)).clamp(min=0).sqrt()
    diagonal = diagonal_px(view)
    return math.sqrt(min(12 * float(area) / (0.48 * diagonal**2), 1.0))  # 4 : 3 images have 0.48 d^2


def _rotation_std_deg(parts: CovarianceParts) -> float:
    """Standard deviation of the rotation about its least certain axis."""
    if not np.isfinite(parts.residual).all():
        return math.inf
    return math.degrees(math.sqrt(max(float(np.linalg.eigvalsh(parts.residual[:3, :3])[-1]), 0.0)))


def _log_spread(depths: Tensor) -> float:
    """Standard deviation of the logarithms of depths (k,), all usable; inf for fewer than two."""
    return float(depths.double().log().std(correction=0)) if len(depths) > 1 else math.inf

"""Estimates against the truth, as calibrations are fitted to them."""

from __future__ import annotations

import math

import numpy as np
import pycolmap
import torch

from mickey_hloc.confidence.fit import Judgement
from mickey_hloc.confidence.uncertainty import PoseError
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.geometry.vcre import virtual_correspondence_errors

CORRECT_SHARE = 0.1  # of the image diagonal: the VCRE below which a pose is right


def judge(
    estimate: RelativePose, true_cam1_from_cam0: pycolmap.Rigid3d | None, K: np.ndarray, image_size: tuple[int, int]
) -> Judgement:
    """One estimate as a row of the table that ``fit_calibration`` takes.

    Args:
        estimate: what a solver returned, before acceptance.
        true_cam1_from_cam0: metres; None for photos of different places.
        K: (3, 3) intrinsics of camera 0. image_size: (width, height) of its image, pixels.
    """
    evidence = estimate.evidence or Evidence()
    if true_cam1_from_cam0 is None or not estimate.has_estimate:
        return Judgement(evidence, False, true_cam1_from_cam0 is None)
    error = vcre_px(estimate.estimate, true_cam1_from_cam0, K, image_size)
    is_correct = error < CORRECT_SHARE * math.hypot(*image_size)
    return Judgement(evidence, is_correct, False, pose_error(estimate, true_cam1_from_cam0))


def vcre_px(pose: pycolmap.Rigid3d, truth: pycolmap.Rigid3d, K: np.ndarray, image_size: tuple[int, int]) -> float:
    """VCRE of cam1_from_cam0 in the image of camera 0, as the Map-free benchmark computes it."""
    R, R_gt = (torch.from_numpy(np.array(p.rotation.matrix())) for p in (pose, truth))
    t, t_gt = (torch.from_numpy(np.array(p.translation)) for p in (pose, truth))
    K64 = torch.from_numpy(np.asarray(K, dtype=np.float64))
    return float(virtual_correspondence_errors(R, t, R_gt, t_gt, K64, image_size, min_depth=None))


def pose_error(estimate: RelativePose, truth: pycolmap.Rigid3d) -> PoseError | None:
    """How far an estimate is from the truth; None where nothing was predicted about it."""
    if estimate.covariance_parts is None or estimate.evidence is None:
        return None
    pose = estimate.estimate
    turn = pycolmap.Rotation3d(truth.rotation.matrix() @ pose.rotation.matrix().T)
    delta = np.concatenate([_rotation_vector(turn), np.asarray(truth.translation) - np.asarray(pose.translation)])
    length = float(np.linalg.norm(pose.translation))
    return PoseError(
        delta=delta,
        parts=estimate.covariance_parts,
        num_inliers=estimate.evidence.num_inliers,
        direction=np.asarray(pose.translation) / max(length, 1e-12),
        distance_m=length - float(np.linalg.norm(truth.translation)),
    )


def _rotation_vector(rotation: pycolmap.Rotation3d) -> np.ndarray:
    """(3,) axis times angle, radians in [0, pi]."""
    x, y, z, w = np.asarray(rotation.quat) * (-1.0 if rotation.quat[3] < 0 else 1.0)
    sine = float(np.linalg.norm([x, y, z]))
    return np.array([x, y, z]) * (2 * math.atan2(sine, w) / sine if sine > 1e-12 else 2.0)

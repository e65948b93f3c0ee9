"""The metrics of the benchmarks, each in one place. Arrays in, arrays or numbers out; float64 throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mickey_hloc.geometry import pose_errors, virtual_correspondence_errors


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Errors of N relative poses.

    Attributes:
        rotation_deg: (N,) angle between the rotations, [0, 180].
        translation_m: (N,) distance between the translations, metres.
        translation_angle_deg: (N,) angle between the directions of translation, [0, 90]: t and -t count as equal.
        scale_ratio: (N,) length of the estimated over that of the true translation.
    """

    rotation_deg: np.ndarray
    translation_m: np.ndarray
    translation_angle_deg: np.ndarray
    scale_ratio: np.ndarray


def relative_pose_errors(R: np.ndarray, t: np.ndarray, R_gt: np.ndarray, t_gt: np.ndarray) -> PoseErrors:
    """Errors of cam1_from_cam0; the translation's angle as in Sarlin et al., "SuperGlue", CVPR 2020.

    Args:
        R, R_gt: (N, 3, 3).
        t, t_gt: (N, 3) metres. Their angle is 0 where the true one is 0: there is no direction to miss.
    """
    R, t, R_gt, t_gt = (np.asarray(a, dtype=np.float64) for a in (R, t, R_gt, t_gt))
    rotation, translation = pose_errors(*(torch.from_numpy(a) for a in (R, t, R_gt, t_gt)))
    sine = np.linalg.norm(np.cross(t, t_gt), axis=-1)
    angle = np.degrees(np.arctan2(sine, np.abs((t * t_gt).sum(axis=-1))))
    length_gt = np.linalg.norm(t_gt, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.linalg.norm(t, axis=-1) / length_gt
    return PoseErrors(rotation.numpy(), translation.numpy(), np.where(length_gt > 0, angle, 0.0), ratio)


def symmetric_scale_error(scale_ratio: np.ndarray) -> np.ndarray:
    """max(r, 1/r) of length ratios, >= 1; inf where one of the lengths is 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(scale_ratio, 1.0 / np.asarray(scale_ratio, dtype=np.float64))


def benchmark_vcre(
    R: np.ndarray,
    centre: np.ndarray,
    R_gt: np.ndarray,
    centre_gt: np.ndarray,
    K: np.ndarray,
    image_size: Sequence[tuple[float, float]],
) -> np.ndarray:
    """Virtual correspondence reprojection errors of query cameras, as the Map-free benchmark has them.

    Virtual points stand before the true query camera; their image is compared with the image in the estimated one, both
    with the query's intrinsics (in float32 as in the benchmark) and clamped to the image. Source: Arnold et al.,
    "Map-free visual relocalization", ECCV 2022, section 4.

    Args:
        R, R_gt: (N, 3, 3) world_from_cam, estimated and true; the world is the reference camera.
        centre, centre_gt: (N, 3) camera centres in the world, metres.
        K: (N, 3, 3) intrinsics of the queries.
        image_size: N times (width, height).

    Returns:
        (N,) pixels.
    """
    errors = np.empty(len(K))
    for size in set(image_size):
        rows = np.array([s == size for s in image_size])
        camera = torch.from_numpy(np.asarray(K, dtype=np.float32)[rows].astype(np.float64))
        R_true, c_true, R_estimated, c_estimated = (torch.from_numpy(a[rows]) for a in (R_gt, centre_gt, R, centre))
        vcre = virtual_correspondence_errors(
            R_true, c_true, R_estimated, c_estimated, camera, size, min_depth=None, epsilon=0.0
        )
        errors[rows] = vcre.numpy()
    return errors


def precision_recall(
    accepted: np.ndarray, confidences: np.ndarray, num_failures: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Precision and recall when only estimates of at least some confidence are kept, and the area under the curve.

    One point for each distinct confidence: recall is the share of all frames that are kept, precision the share of the
    kept ones that are accepted. The area is sum (recall_k - recall_k-1) precision_k (average precision).

    Args:
        accepted: (N,) bool, the error is below the threshold.
        confidences: (N,), higher is better; equal ones are kept or dropped together.
        num_failures: frames without an estimate; they are never kept and lower the recall.

    Returns:
        precision (M,), recall (M,) in the order of falling confidence, and the area in [0, 1].
    """
    if len(confidences) == 0:
        return np.zeros(0), np.zeros(0), 0.0
    order = np.argsort(-np.asarray(confidences, dtype=np.float64), kind="stable")
    ranked = np.asarray(confidences, dtype=np.float64)[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each group of equal confidences
    kept = last + 1
    precision = np.cumsum(np.asarray(accepted, dtype=np.int64)[order])[last] / kept
    # The benchmark divides in float32, which shows in the tenth decimal of its areas.
    recall = (kept.astype(np.float32) / np.float32(len(ranked) + num_failures)).astype(np.float64)
    area = float((np.diff(recall, prepend=0.0) * precision).sum())
    return precision, recall, area


def pose_auc(errors: Iterable[float], thresholds: Sequence[float]) -> list[float]:
    """Area under the share of pairs below an error, up to each threshold, over the threshold.

    Between the sorted errors the share is interpolated linearly from (0, 0). Source: the AUC of Sarlin et al.,
    "SuperGlue", CVPR 2020.

    Args:
        errors: one a pair, e.g. the larger of rotation and translation angle; a failure is inf or NaN.
        thresholds: > 0, of the same unit.

    Returns:
        In [0, 1], one a threshold; 0 without any pair.
    """
    values = np.sort(np.nan_to_num(np.asarray(list(errors), dtype=np.float64), nan=np.inf, posinf=np.inf))
    x, y = np.append(0.0, values), np.linspace(0.0, 1.0, len(values) + 1)
    areas = []
    for threshold in thresholds:
        n = max(int(np.searchsorted(x, threshold)), 1)
        xs, ys = np.append(x[:n], threshold), np.append(y[:n], y[n - 1])
        areas.append(float((np.diff(xs) * (ys[1:] + ys[:-1]) / 2).sum() / threshold) if len(values) else 0.0)
    return areas


def share_within(translation_m: np.ndarray, rotation_deg: np.ndarray, limits: tuple[float, float], total: int) -> float:
    """Share of ``total`` frames whose errors are both below (metres, degrees); the other frames count as wrong."""
    within = (translation_m < limits[0]) & (rotation_deg < limits[1])
    return float(within.sum() / total) if total else 0.0


def median_of_all(errors: np.ndarray | Sequence[float], num_failures: int = 0) -> float:
    """The median error of all pairs or queries, each failure counting as an infinite error.

    Args:
        errors: one a pair with an estimate; pairs without one may also stand here as inf.
        num_failures: pairs without an estimate that ``errors`` does not have.

    Returns:
        In the unit of the errors; inf where half of all failed, or more; NaN without any pair.
    """
    values = np.append(np.asarray(errors, dtype=np.float64), np.full(num_failures, np.inf))
    return float(np.median(values)) if len(values) else float("nan")


def average_median(by_scene: Mapping[str, np.ndarray]) -> float:
    """Map-free's published medians: the mean over scenes of the median error of each scene's estimates.

    Other than in ``median_of_all``, failures do not count: a scene without any estimate is left out, NaN if all are.
    """
    medians = [np.median(values) for values in by_scene.values() if len(values)]
    return float(np.mean(medians)) if medians else float("nan")

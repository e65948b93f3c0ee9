"""ScanNet-1500, or any list of posed pairs: relative poses against the truth.

Source: the pairs and the pose AUC are those of Sarlin et al., "SuperGlue", CVPR 2020; the VCRE threshold is MicKey's,
10 % of the image diagonal (section 5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mickey_hloc.datasets.scannet import PosedPair, image_size, intrinsics_on_disk
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.assembly import inverted
from mickey_hloc.evaluation.metrics import (
    PoseErrors,
    benchmark_vcre,
    median_of_all,
    pose_auc,
    precision_recall,
    relative_pose_errors,
    share_within,
    symmetric_scale_error,
)
from mickey_hloc.geometry import inverse
from mickey_hloc.geometry.pose_arrays import pose_arrays
from mickey_hloc.geometry.relative_pose import RelativePose

Pair = tuple[str, str]
VCRE_SHARE = 0.1  # of the image diagonal
POSE_LIMITS = ((0.1, 5.0), (0.25, 5.0), (0.5, 10.0), (1.0, 20.0))  # metres, degrees
AUC_LIMITS_DEG = (5.0, 10.0, 20.0)


@dataclass(frozen=True, eq=False)
class PairResults:
    """Errors of the pairs that have an estimate, N of them.

    Attributes:
        pairs: their names.
        errors: of cam1_from_cam0.
        vcre_px: (N,) pixels of the image on the disk.
        max_vcre_px: (N,) the threshold of each pair's second image.
        confidence: (N,).
        num_failures: pairs whose estimation failed or that are not in the poses file.
    """

    pairs: list[Pair]
    errors: PoseErrors
    vcre_px: np.ndarray
    max_vcre_px: np.ndarray
    confidence: np.ndarray
    num_failures: int

    @property
    def vcre_accepted(self) -> np.ndarray:
        """(N,) bool."""
        return self.vcre_px < self.max_vcre_px


def evaluate_pairs(
    truth: Sequence[PosedPair],
    poses: Mapping[Pair, RelativePose],
    images: Path,
    listed_size: tuple[int, int] | None = None,
) -> PairResults:
    """Score a poses file.

    Args:
        truth: the list.
        poses: cam1_from_cam0 by pair, in either order; other pairs are ignored.
        images: the folder of the images, whose sizes are read.
        listed_size: (width, height) that the list's intrinsics are for; see ``intrinsics_on_disk``.

    Raises:
        InputError: an image cannot be read, intrinsics fit no size, or no pair has an estimate.
    """
    found: list[tuple[PosedPair, RelativePose]] = []
    for pair in truth:
        pose = poses.get((pair.name0, pair.name1))
        if pose is None and (pair.name1, pair.name0) in poses:
            pose = inverted(poses[pair.name1, pair.name0])
        if pose is not None and pose.success:
            found.append((pair, pose))
    if not found:
        example = f"'{truth[0].name0}' '{truth[0].name1}'" if truth else "none"
        raise InputError(
            f"No pair of the list has a pose; its names are like {example}: compare them with the poses file."
        )
    cameras = [
        intrinsics_on_disk(pair.K1, image_size(Path(images) / pair.name1), pair.where, listed_size) for pair, _ in found
    ]
    R, t = pose_arrays(pose.cam1_from_cam0 for _, pose in found)
    R_gt, t_gt = pose_arrays(pair.cam1_from_cam0 for pair, _ in found)
    sizes = [(camera.width, camera.height) for camera in cameras]
    K1 = np.stack([camera.K for camera in cameras])
    # The benchmark's world is the reference camera, so that world_from_cam is cam0_from_cam1.
    vcre = benchmark_vcre(*inverse(R, t), *inverse(R_gt, t_gt), K1, sizes)
    return PairResults(
        pairs=[(pair.name0, pair.name1) for pair, _ in found],
        errors=relative_pose_errors(R, t, R_gt, t_gt),
        vcre_px=vcre,
        max_vcre_px=VCRE_SHARE * np.hypot(*np.array(sizes, dtype=np.float64).T),
        confidence=np.array([pose.confidence for _, pose in found]),
        num_failures=len(truth) - len(found),
    )


def summarise_pairs(results: PairResults) -> dict[str, float]:
    """The benchmark's numbers, under the keys of the table's columns.

    All of them are of all pairs: a failure counts as wrong, and as an infinite error in the medians.
    """
    errors, failures = results.errors, results.num_failures
    total = len(results.pairs) + failures
    angles = np.maximum(errors.rotation_deg, errors.translation_angle_deg)
    aucs = pose_auc([*angles, *[np.inf] * failures], AUC_LIMITS_DEG)
    scale = symmetric_scale_error(errors.scale_ratio)
    summary = {
        "vcre_auc": precision_recall(results.vcre_accepted, results.confidence, failures)[2],
        "vcre_precision_pct": 100.0 * float(results.vcre_accepted.sum()) / total,
        "median_vcre_px": median_of_all(results.vcre_px, failures),
        "median_translation_m": median_of_all(errors.translation_m, failures),
        "median_rotation_deg": median_of_all(errors.rotation_deg, failures),
        "median_translation_angle_deg": median_of_all(errors.translation_angle_deg, failures),
    }
    summary |= {f"auc{limit:.0f}": auc for limit, auc in zip(AUC_LIMITS_DEG, aucs, strict=True)}
    for metres, degrees in POSE_LIMITS:
        share = share_within(errors.translation_m, errors.rotation_deg, (metres, degrees), total)
        summary[f"within_{metres:g}m_{degrees:g}deg_pct"] = 100.0 * share
    for power in (1, 2, 3):
        summary[f"scale_within_1.25^{power}_pct"] = 100.0 * float((scale < 1.25**power).sum()) / total
    summary["estimates_pct"] = 100.0 * len(results.pairs) / total
    summary["failures"] = failures
    return summary

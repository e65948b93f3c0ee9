"""Poses and depths of validation pairs, judged. Depth maps only ever judge here; nothing learns from them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.confidence.policy import find_acceptance
from mickey_hloc.evaluation.metrics import benchmark_vcre, median_of_all, precision_recall, relative_pose_errors
from mickey_hloc.features.base import to_original_image
from mickey_hloc.geometry import inverse
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Camera
from mickey_hloc.io.features import in_memory
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.matches import matches_of_partners
from mickey_hloc.model.blockwise import match_blockwise
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.mickey import MetricKeypoints
from mickey_hloc.solvers import Solver
from mickey_hloc.two_view.problem import ProblemBuilder, correspondences_for
from mickey_hloc.two_view.solving import solve_pair

# Keypoints with at least the median of the positive scores: the half that the network would rather use.
CONFIDENT_QUANTILE = 0.5


@dataclass(frozen=True, eq=False)
class PairJudgement:
    """One validation pair.

    Attributes:
        index: of the pair.
        vcre_px, translation_m, rotation_deg: errors; inf where there is no pose.
        vcre_share: VCRE as a share of the image diagonal.
        confidence: of the pose.
        depths: (n, 3) estimated depth, true depth (metres), and 1 for confident keypoints; empty without a judge.
    """

    index: int
    vcre_px: float
    vcre_share: float
    translation_m: float
    rotation_deg: float
    confidence: float
    depths: np.ndarray


def estimate_pose(
    solver: Solver,
    found: tuple[MetricKeypoints, MetricKeypoints],
    matcher: DualSoftmax,
    item: Mapping[str, Any],
    size_wh: tuple[int, int],
    seed: int,
    family: str = "",
) -> RelativePose:
    """The pose of one pair, on the CPU, as any other command would estimate it.

    A solver that takes matches gets the mutual nearest neighbours of the match probability. Every estimate counts,
    ranked by its confidence.

    Args:
        found: of both images, batches of one.
        item: with ``K0`` and ``K1``. size_wh: (width, height) of its images.
        family: names the calibration of the confidence, where there is one.
    """
    on_descriptors = solver.needs == "probability"
    softmax = copy.deepcopy(matcher).float().cpu()
    builder = ProblemBuilder(correspondences_for(solver, on_descriptors), softmax if on_descriptors else None)
    features = [in_memory(_stored(keypoints, size_wh)) for keypoints in found]
    cameras = [Camera(Intrinsics(item[f"K{side}"].double().cpu().numpy(), *size_wh)) for side in (0, 1)]
    data0, data1 = (builder.view("", f, camera) for f, camera in zip(features, cameras, strict=True))
    matches = None
    if not on_descriptors:
        assert features[0].descriptors is not None
        assert features[1].descriptors is not None
        with torch.no_grad():
            partners, scores = match_blockwise(
                softmax, torch.from_numpy(features[0].descriptors), torch.from_numpy(features[1].descriptors)
            )
        matches = matches_of_partners(partners.numpy(), scores.numpy())
    acceptance = find_acceptance(family, solver.calibrated_as, "all", {})
    return solve_pair(builder, solver, data0, data1, matches, seed, acceptance)[1]


def _stored(keypoints: MetricKeypoints, size_wh: tuple[int, int]) -> dict[str, np.ndarray]:
    """The arrays of an image's group in a features file, from a batch of one."""
    names = ("keypoints", "depths", "keypoint_scores", "descriptors")
    arrays = {name: getattr(keypoints, name)[0].detach().float().cpu().numpy() for name in names}
    return to_original_image(arrays, size_wh, size_wh, as_half=True)


def judge_pair(
    pose: RelativePose, item: Mapping[str, Any], size_wh: tuple[int, int], depths: np.ndarray | None = None
) -> PairJudgement:
    """Errors of a pose against the truth.

    Args:
        pose: cam1_from_cam0. item: with ``R``, ``t``, ``K1``, ``index``. size_wh: of image 1.
        depths: see PairJudgement.
    """
    depths = np.zeros((0, 3)) if depths is None else depths
    index = int(item["index"])
    if not pose.success:
        return PairJudgement(index, np.inf, np.inf, np.inf, np.inf, 0.0, depths)
    R, t = pose.R[None], pose.t[None]
    R_gt, t_gt = (item[key].double().cpu().numpy()[None] for key in ("R", "t"))
    errors = relative_pose_errors(R, t, R_gt, t_gt)
    # The benchmark's world is the reference camera, so that world_from_cam is cam0_from_cam1.
    K1 = item["K1"].cpu().numpy()[None]
    vcre = benchmark_vcre(*inverse(R, t), *inverse(R_gt, t_gt), K1, [size_wh])
    return PairJudgement(
        index,
        float(vcre[0]),
        float(vcre[0] / np.hypot(*size_wh)),
        float(errors.translation_m[0]),
        float(errors.rotation_deg[0]),
        pose.confidence,
        depths,
    )


def sample_nearest(depth: Tensor, keypoints: Tensor) -> Tensor:
    """(H, W) metres at (N, 2) pixels: (N,) of the nearest pixel, on the CPU; no mixing across edges."""
    height, width = depth.shape
    u = keypoints[:, 0].detach().round().long().clamp(0, width - 1)
    v = keypoints[:, 1].detach().round().long().clamp(0, height - 1)
    return depth.cpu()[v.cpu(), u.cpu()].float()


def depth_samples(keypoints: Tensor, depths: Tensor, scores: Tensor, truth: Tensor) -> np.ndarray:
    """Estimated and true depth where the truth is known.

    Args:
        keypoints: (N, 2) pixels. depths: (N,) metres. scores: (N,). truth: (H, W) metres, NaN where unknown.

    Returns:
        (n, 3) estimated, true, and 1 where the keypoint is confident.
    """
    true = sample_nearest(truth, keypoints)
    scores, depths = scores.detach().float().cpu(), depths.detach().float().cpu()
    positive = scores > 0
    limit = scores[positive].quantile(CONFIDENT_QUANTILE) if bool(positive.any()) else torch.tensor(torch.inf)
    rows = torch.stack([depths, true, (scores >= limit).float()], dim=-1)
    return rows[positive & torch.isfinite(true) & (true > 0)].numpy().astype(np.float64)


def summarise(judged: Sequence[PairJudgement], vcre_share: float, pose_m: float, pose_deg: float) -> dict[str, float]:
    """All figures of a validation set; pairs without a pose count as wrong, and as infinite errors in medians.

    Returns:
        ``vcre_precision``, ``vcre_auc``, ``pose_precision``, ``pose_auc``: of all pairs, AUC over confidence;
        ``median_vcre_px``, ``median_translation_m``, ``median_rotation_deg``; ``estimated``: share with a pose; and,
        with a judge, ``depth_rel_error`` (mean), ``depth_correlation``, ``depth_scale`` (median of estimated / true)
        of confident keypoints.
    """
    vcre, shares, t, r, confidence = (
        np.array([getattr(j, name) for j in judged])
        for name in ("vcre_px", "vcre_share", "translation_m", "rotation_deg", "confidence")
    )
    found = np.isfinite(vcre)
    summary = {"estimated": float(found.mean())}
    for name, accepted in (("vcre", shares < vcre_share), ("pose", (t < pose_m) & (r < pose_deg))):
        summary[f"{name}_precision"] = float(accepted.mean())
        summary[f"{name}_auc"] = precision_recall(accepted[found], confidence[found], int((~found).sum()))[2]
    for name, values in (("vcre_px", vcre), ("translation_m", t), ("rotation_deg", r)):
        summary[f"median_{name}"] = median_of_all(values)
    return {**summary, **depth_figures(np.concatenate([j.depths for j in judged]))}


def depth_figures(depths: np.ndarray) -> dict[str, float]:
    """Figures of (n, 3) depth samples, of the confident ones only; empty without any."""
    confident = depths[depths[:, 2] > 0]
    if len(confident) < 2:
        return {}
    estimated, true = confident[:, 0], confident[:, 1]
    spread = estimated.std() * true.std()
    correlation = float(((estimated - estimated.mean()) * (true - true.mean())).mean() / spread) if spread > 0 else 0.0
    return {
        "depth_rel_error": float(np.mean(np.abs(estimated - true) / true)),
        "depth_correlation": correlation,
        "depth_scale": float(np.median(estimated / true)),
    }

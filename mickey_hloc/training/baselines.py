"""A trained model beside what it must beat: the same matches with other depths, and no motion at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.solvers import Solver
from mickey_hloc.training.options import ValidationOptions
from mickey_hloc.training.validation import (
    PairJudgement,
    depth_samples,
    estimate_pose,
    judge_pair,
    sample_nearest,
    summarise,
)

ROWS = ("learned depth", "constant depth", "true depth", "no motion")


def best_constant(truths: np.ndarray) -> float:
    """The constant depth with the smallest mean relative error |c - d| / d: the median of d weighted by 1 / d."""
    ordered = np.sort(truths)
    weights = np.cumsum(1.0 / ordered)
    return float(ordered[np.searchsorted(weights, 0.5 * weights[-1])])


def judge_with_baselines(
    model: MicKey, items: Iterable[Mapping[str, Any]], solver: Solver, options: ValidationOptions, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Figures of each row of ``ROWS``, on the same matches.

    Args:
        model: in evaluation mode. items: of a validation set whose images come with true depth.
        solver: any. options: thresholds. seed: of the solver.

    Returns:
        Row -> figure -> value, see ``summarise``; the constant is the best one for these images, chosen with the truth.
    """
    cases = [_case(model, item) for item in items]
    truth = np.concatenate([d for case in cases for d in case["confident_truth"]])
    constant = best_constant(truth)
    judged: dict[str, list[PairJudgement]] = {row: [] for row in ROWS}
    for case in cases:
        a, b, item = case["a"], case["b"], case["item"]
        depths: dict[str, tuple[Tensor, Tensor]] = {
            "learned depth": (a.depths, b.depths),
            "constant depth": (torch.full_like(a.depths, constant), torch.full_like(b.depths, constant)),
            "true depth": case["truth"],
        }
        for row, (d0, d1) in depths.items():
            k0, k1 = replace(a, depths=d0), replace(b, depths=d1)
            pose = estimate_pose(solver, (k0, k1), model.matcher, item, case["size_wh"], seed)
            samples = [
                depth_samples(k.keypoints[0], k.depths[0], k.keypoint_scores[0], item[f"depth{side}"])
                for side, k in enumerate((k0, k1))
            ]
            judged[row].append(judge_pair(pose, item, case["size_wh"], np.concatenate(samples)))
        still = RelativePose(success=True, cam1_from_cam0=pycolmap.Rigid3d())
        judged["no motion"].append(judge_pair(still, item, case["size_wh"]))
    return {
        row: summarise(found, options.vcre_share, options.pose_m, options.pose_deg) for row, found in judged.items()
    }


def _case(model: MicKey, item: Mapping[str, Any]) -> dict[str, Any]:
    """One pair: keypoints, probability, true depths at the keypoints."""
    found: list[MetricKeypoints] = []
    with torch.no_grad():
        for side in (0, 1):
            features = item[f"features{side}"][None] if f"features{side}" in item else None
            if features is None:
                features = model.encode(item[f"image{side}"][None].to(model.device))
            found.append(model.keypoints_from_features(features.to(model.device)))
    truths = [sample_nearest(item[f"depth{side}"], k.keypoints[0]) for side, k in enumerate(found)]
    confident = [
        depth_samples(k.keypoints[0], k.depths[0], k.keypoint_scores[0], item[f"depth{side}"])
        for side, k in enumerate(found)
    ]
    height, width = item["depth1"].shape
    return {
        "a": found[0],
        "b": found[1],
        "item": item,
        "truth": (truths[0][None], truths[1][None]),
        "confident_truth": [rows[rows[:, 2] > 0, 1] for rows in confident],
        "size_wh": (width, height),
    }

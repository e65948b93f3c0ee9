"""Pictures of a validation pair for TensorBoard: inliers, score map, depth map, rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.mickey import MetricKeypoints
from mickey_hloc.training.pair_batch import PoseLossOutput
from mickey_hloc.visualization.maps import draw_depth_map, draw_score_map
from mickey_hloc.visualization.matches import draw_matches

_MOST = 200  # correspondences in a picture of rewards


def pair_pictures(
    item: Mapping[str, Any], a: MetricKeypoints, b: MetricKeypoints, pose: RelativePose, output: PoseLossOutput
) -> dict[str, np.ndarray]:
    """(H, W, 3) uint8 pictures by name.

    Args:
        item: with ``image0``, ``image1`` (3, H, W) in [0, 1].
        a, b: batches of one. pose: the solver's. output: the loss of this one pair.
    """
    image0, image1 = (
        (item[f"image{side}"].cpu().permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for side in (0, 1)
    )
    points0, points1 = (k.keypoints[0].detach().cpu().numpy() for k in (a, b))
    depths, scores = (x[0].detach().cpu().numpy() for x in (a.depths, a.keypoint_scores))
    inside = scores > 0
    pairs = pose.correspondences
    cells, rewards = _rewards(output, len(points1))
    return {
        "inliers": draw_matches(
            image0, image1, points0[pairs[:, 0]], points1[pairs[:, 1]], pose.inliers, depths[pairs[:, 0]], pose.reason
        ),
        "depths": draw_depth_map(image0, points0, depths),
        "scores": draw_score_map(image0, points0[inside], scores[inside]),
        "rewards": draw_matches(
            image0,
            image1,
            points0[cells[:, 0]],
            points1[cells[:, 1]],
            np.ones(len(cells), dtype=bool),
            rewards,
            value_label="mean reward",
        ),
    }


def _rewards(output: PoseLossOutput, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The most rewarded and most punished correspondences: (M, 2) indices and (M,) mean rewards over their sets."""
    flat = output.sets.cells[0].flatten().cpu()
    reward = -output.advantages[0][:, None].expand_as(output.sets.cells[0]).flatten().float().cpu()
    cells, where, count = torch.unique(flat, return_inverse=True, return_counts=True)
    mean = torch.zeros(len(cells)).index_add_(0, where, reward) / count
    order = mean.argsort()
    half = _MOST // 2
    chosen = torch.cat([order[:half], order[max(half, len(order) - half) :]])
    cells = cells[chosen]
    return torch.stack([cells // columns, cells % columns], dim=-1).numpy(), mean[chosen].numpy()

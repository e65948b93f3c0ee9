"""A two-view result in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mickey_hloc.geometry import rotation_angle_deg
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers import PoseProblem
from mickey_hloc.two_view.result import Photo, TwoViewResult
from mickey_hloc.visualization.canvas import rgb_cube, robust_limits
from mickey_hloc.visualization.files import save_image
from mickey_hloc.visualization.maps import draw_depth_map, draw_score_map
from mickey_hloc.visualization.matches import draw_matches

# The probabilistic solver draws a set that holds every likely partner of a keypoint; most are wrong by construction.
DRAWN = "drawn correspondences (several partners of each keypoint)"
Maps = Sequence[torch.Tensor | None]
Images = tuple[np.ndarray, np.ndarray]


def draw_pictures(
    result: TwoViewResult, photos: tuple[Photo, Photo], depth_maps: Maps = (None, None)
) -> dict[str, tuple[str, np.ndarray]]:
    """Captions and pictures by name: matches, positions, and depth<i> and scores<i> of both images.

    Args:
        depth_maps: (H, W) metres of each image, where its depth is dense; else depth is drawn at the keypoints. Both
            photos have one scale of colours.
    """
    images, views = (photos[0].image, photos[1].image), (result.problem.view0, result.problem.view1)
    pictures = {"matches": ("Matches, coloured by depth", matches_picture(result.pose, result.problem, images))}
    if result.pose.num_inliers:
        by = "own depth places" if result.pose.success else "own depth and the refused estimate place"
        caption = (
            f"The inliers, coloured by where each photo's {by} them in space (x, y, z as red, green, blue): "
            "one colour at both ends of a line means that both photos agree"
        )
        pictures["positions"] = (caption, positions_picture(result.pose, result.problem, images))
    depths = [
        view.depths.numpy() if depth_map is None else depth_map.numpy()
        for view, depth_map in zip(views, depth_maps, strict=True)
    ]
    limits = robust_limits(np.concatenate([np.where(values > 0, values, np.nan).ravel() for values in depths]))
    for i, (photo, view, values) in enumerate(zip(photos, views, depths, strict=True)):
        places = view.keypoints.numpy() if depth_maps[i] is None else None
        picture = draw_depth_map(photo.image, places, values, limits=limits)
        pictures[f"depth{i}"] = (f"Depth, {photo.name}", picture)
    for i, (photo, view) in enumerate(zip(photos, views, strict=True)):
        scores = result.features[i].keypoint_scores
        if scores is not None:
            caption = f"Scores of the keypoints, {photo.name}: above 1, this place is better than the mean"
            pictures[f"scores{i}"] = (caption, draw_score_map(photo.image, view.keypoints.numpy(), scores))
    return pictures


def save_pictures(pictures: dict[str, tuple[str, np.ndarray]], folder: Path) -> list[Path]:
    """Save each as <name>.png.

    Returns:
        The files written.
    """
    return [save_image(folder / f"{name}.png", picture) for name, (_, picture) in pictures.items()]


def matches_picture(pose: RelativePose, problem: PoseProblem, images: Images, title: str = "") -> np.ndarray:
    """Both photos with the matches between them, inliers coloured by depth; (H, W, 3) uint8."""
    first, second = _ends(pose)
    return draw_matches(
        *images,
        problem.view0.keypoints.numpy()[first],
        problem.view1.keypoints.numpy()[second],
        pose.inliers,
        values=problem.view0.depths.numpy()[first],
        title=title or _title(pose),
        noun="matches" if len(set(first.tolist())) == len(first) else DRAWN,
    )


def positions_picture(pose: RelativePose, problem: PoseProblem, images: Images) -> np.ndarray:
    """Both photos with the inliers coloured by their place in space, as each photo's depth has it."""
    first, second = (indices[pose.inliers] for indices in _ends(pose))
    cam0_from_cam1 = (pose.cam1_from_cam0 if pose.success else pose.estimate).inverse()
    points0 = problem.view0.points().double().numpy()[first]
    in_cam1 = problem.view1.points().double().numpy()[second]
    points1 = in_cam1 @ cam0_from_cam1.rotation.matrix().T + cam0_from_cam1.translation
    colors = rgb_cube(np.concatenate([points0, points1])).reshape(2, -1, 3).swapaxes(0, 1)
    return draw_matches(
        *images,
        problem.view0.keypoints.numpy()[first],
        problem.view1.keypoints.numpy()[second],
        np.ones(len(first), dtype=bool),
        colors=colors,
    )


def _ends(pose: RelativePose) -> tuple[np.ndarray, np.ndarray]:
    if not len(pose.correspondences):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return pose.correspondences[:, 0], pose.correspondences[:, 1]


def _title(pose: RelativePose) -> str:
    if not pose.success:
        return f"no pose: {pose.reason}"
    degrees = float(rotation_angle_deg(torch.from_numpy(pose.R)))
    return f"{np.linalg.norm(pose.t):.2f} m apart, turned by {degrees:.1f} degrees"

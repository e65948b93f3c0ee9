"""The 3-D scene of one relative pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycolmap
import torch

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers.base import View
from mickey_hloc.visualization.canvas import rgb_cube
from mickey_hloc.visualization.frustum import SceneCamera
from mickey_hloc.visualization.plotly_parts import COLORS
from mickey_hloc.visualization.scene3d import SceneLinks, ScenePoints, draw_scene

MAX_POINTS = 20_000  # of a dense depth map; a browser turns more only slowly
MAX_INLIERS = 2_000
REFUSED, TRUE = "#888888", "#009E73"

Images = tuple[np.ndarray, np.ndarray]
DepthMaps = Sequence[torch.Tensor | None]


def two_view_scene(
    view0: View,
    view1: View,
    pose: RelativePose,
    images: Images | None = None,
    names: tuple[str, str] = ("camera 0", "camera 1"),
    title: str = "",
    truth: pycolmap.Rigid3d | None = None,
    depth_maps: DepthMaps = (None, None),
) -> Any:
    """One estimate in the frame of camera 0: both cameras, and the inliers where each view's depth places them.

    Where the pose is right, the two sets of points coincide. On failure the keypoints of camera 0 are there, and
    camera 1 where a refused estimate has it.

    Args:
        view0, view1: both with ``image_size``.
        pose: the estimate.
        images: (H, W, 3) uint8 each, on the cameras and as the colours of the points.
        names: of the cameras.
        truth: the true cam1_from_cam0, where it is known: a further camera.
        depth_maps: (H, W) metres of each image, where there is one beside those of the views: added as clouds, that of
            camera 1 where the pose places it.

    Raises:
        MissingDependencyError: plotly is not installed.
        ValueError: a view without ``image_size``.
    """
    photos = (None, None) if images is None else images
    cameras = [_camera(names[0], view0, pycolmap.Rigid3d(), photos[0], COLORS[0])]
    groups: list[ScenePoints] = []
    links: list[SceneLinks] = []
    if pose.success:
        cameras.append(_camera(names[1], view1, pose.cam1_from_cam0, photos[1], COLORS[1]))
        groups, links = _inliers(view0, view1, pose, photos, names)
    else:
        groups.append(ScenePoints(f"keypoints of {names[0]}", _points(view0), COLORS[0], 3.0))
        if pose.has_estimate:
            name = f"{names[1]}, refused estimate"
            cameras.append(_camera(name, view1, pose.estimate, photos[1], REFUSED, "dot"))
    if truth is not None:
        cameras.append(_camera(f"{names[1]}, true", view1, truth, None, TRUE, "dash"))
    placed = (pycolmap.Rigid3d(), pose.cam1_from_cam0.inverse() if pose.success else None)
    for side, (view, cam0_from_cam) in enumerate(zip((view0, view1), placed, strict=True)):
        depth_map = view.depth_map if depth_maps[side] is None else depth_maps[side]
        if depth_map is not None and cam0_from_cam is not None:
            groups.append(_cloud(view.K, depth_map, cam0_from_cam, photos[side], names[side]))
    return draw_scene(cameras, groups, title, links)


def _inliers(
    view0: View,
    view1: View,
    pose: RelativePose,
    photos: tuple[np.ndarray | None, np.ndarray | None],
    names: tuple[str, str],
) -> tuple[list[ScenePoints], list[SceneLinks]]:
    """The inliers by each view's depth, in the frame of camera 0, and the lines between the two places of each."""
    chosen = pose.correspondences[pose.inliers]
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), MAX_INLIERS)).round().astype(np.int64)]
    cam0_from_cam1 = pose.cam1_from_cam0.inverse()
    in_cam0 = _points(view1) @ cam0_from_cam1.rotation.matrix().T + cam0_from_cam1.translation
    placed = (_points(view0)[chosen[:, 0]], in_cam0[chosen[:, 1]])
    cube = rgb_cube(np.concatenate(placed))
    position_colors = (cube[: len(chosen)], cube[len(chosen) :])
    groups = []
    for side, view in enumerate((view0, view1)):
        pixels = view.keypoints.double().cpu().numpy()[chosen[:, side]]
        photo = photos[side]
        others: dict[str, np.ndarray | str] = {"position (RGB)": position_colors[side]}
        if photo is not None:
            others = {"photo": _colors_at(photo, pixels), **others}
        groups.append(ScenePoints(f"inliers by {names[side]}", placed[side], COLORS[side], 3.5, alternatives=others))
    return groups, [SceneLinks("links of inliers", *placed)]


def _camera(
    name: str, view: View, cam_from_world: pycolmap.Rigid3d, image: np.ndarray | None, color: str, dash: str = "solid"
) -> SceneCamera:
    if view.image_size is None:
        raise ValueError(f"the view of {name} needs its image_size to be drawn")
    return SceneCamera(name, view.K.double().cpu().numpy(), view.image_size, cam_from_world, image, color, dash)


def _points(view: View) -> np.ndarray:
    """(N, 3) metres in the view's camera frame, NaN where depth is unusable."""
    return np.asarray(view.points().double().masked_fill(~view.usable[:, None], np.nan).cpu().numpy())


def _colors_at(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 of the nearest pixels."""
    limits = np.array(image.shape[1::-1]) - 1
    columns, rows = np.clip(np.nan_to_num(pixels).round().astype(np.int64), 0, limits).T
    return image[rows, columns]


def _cloud(
    K: torch.Tensor, depth_map: torch.Tensor, cam0_from_cam: pycolmap.Rigid3d, image: np.ndarray | None, name: str
) -> ScenePoints:
    depths = depth_map.double().cpu().numpy()
    known = np.argwhere(np.isfinite(depths) & (depths > 0))
    known = known[np.linspace(0, len(known) - 1, min(len(known), MAX_POINTS)).round().astype(np.int64)]
    rows, columns = known.T
    pixels = np.column_stack([columns, rows, np.ones(len(known))])
    positions = np.linalg.solve(K.double().cpu().numpy(), pixels.T).T * depths[rows, columns, None]
    colors = "#999999" if image is None or image.shape[:2] != depths.shape else image[rows, columns]
    in_cam0 = positions @ cam0_from_cam.rotation.matrix().T + cam0_from_cam.translation
    return ScenePoints(f"depth map of {name}", in_cam0, colors, 1.5)

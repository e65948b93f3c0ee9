"""The 3-D scene of one relative pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycolmap

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers.base import View
from mickey_hloc.visualization.scene3d import COLORS, SceneCamera, ScenePoints, draw_scene

MAX_POINTS = 20_000  # of a dense depth map; a browser turns more only slowly


def two_view_scene(
    view0: View,
    view1: View,
    pose: RelativePose,
    images: tuple[np.ndarray, np.ndarray] | None = None,
    names: tuple[str, str] = ("camera 0", "camera 1"),
    title: str = "",
) -> Any:
    """One estimate in the frame of camera 0: both cameras, and the inliers where each view's depth places them.

    Where the pose is right, the two sets of points coincide. On failure only camera 0 and its keypoints are there.

    Args:
        view0, view1: both with ``image_size``; ``depth_map`` of view 0, where there is one, is added as a cloud.
        pose: the estimate.
        images: (H, W, 3) uint8 each, to colour the cloud.
        names: of the cameras.

    Raises:
        MissingDependencyError: plotly is not installed.
        ValueError: a view without ``image_size``.
    """
    cameras = [_camera(names[0], view0, pycolmap.Rigid3d())]
    groups = []
    if pose.success:
        cameras.append(_camera(names[1], view1, pose.cam1_from_cam0))
        chosen = pose.correspondences[pose.inliers]
        cam0_from_cam1 = pose.cam1_from_cam0.inverse()
        in_cam0 = _points(view1) @ cam0_from_cam1.rotation.matrix().T + cam0_from_cam1.translation
        groups.append(ScenePoints(f"inliers by {names[0]}", _points(view0)[chosen[:, 0]], COLORS[0], 3.0))
        groups.append(ScenePoints(f"inliers by {names[1]}", in_cam0[chosen[:, 1]], COLORS[1], 3.0))
    else:
        groups.append(ScenePoints(f"keypoints of {names[0]}", _points(view0), COLORS[0], 3.0))
    if view0.depth_map is not None:
        groups.append(_cloud(view0, None if images is None else images[0], names[0]))
    return draw_scene(cameras, groups, title)


def _camera(name: str, view: View, cam_from_world: pycolmap.Rigid3d) -> SceneCamera:
    if view.image_size is None:
        raise ValueError(f"the view of {name} needs its image_size to be drawn")
    return SceneCamera(name, view.K.double().cpu().numpy(), view.image_size, cam_from_world)


def _points(view: View) -> np.ndarray:
    """(N, 3) metres in the view's camera frame, NaN where depth is unusable."""
    return np.asarray(view.points().double().masked_fill(~view.usable[:, None], np.nan).cpu().numpy())


def _cloud(view: View, image: np.ndarray | None, name: str) -> ScenePoints:
    assert view.depth_map is not None
    depths = view.depth_map.double().cpu().numpy()
    known = np.argwhere(np.isfinite(depths) & (depths > 0))
    known = known[np.linspace(0, len(known) - 1, min(len(known), MAX_POINTS)).round().astype(np.int64)]
    rows, columns = known.T
    pixels = np.column_stack([columns, rows, np.ones(len(known))])
    positions = np.linalg.solve(view.K.double().cpu().numpy(), pixels.T).T * depths[rows, columns, None]
    colors = "#999999" if image is None or image.shape[:2] != depths.shape else image[rows, columns]
    return ScenePoints(f"depth map of {name}", positions, colors, 1.5)

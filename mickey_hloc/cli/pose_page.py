"""``--report`` of ``pose`` and ``demo``: one page with the pose in words, numbers, pictures and in 3-D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc import __version__
from mickey_hloc.cli.pose_report import pose_as_dict, pose_statement
from mickey_hloc.two_view.result import Photo, TwoViewResult
from mickey_hloc.visualization import Page, two_view_scene
from mickey_hloc.visualization.two_view_pictures import Maps, draw_pictures


def write_pose_page(
    path: Path,
    result: TwoViewResult,
    photos: tuple[Photo, Photo],
    depth_maps: Maps = (None, None),
    truth: pycolmap.Rigid3d | None = None,
    command: str = "",
) -> Path:
    """Write ``pose_page``.

    Args:
        depth_maps: (H, W) metres of each image, where its depth is dense.
        truth: the true cam1_from_cam0, where it is known.
        command: how the page was made.
    """
    page = pose_page(result, photos, depth_maps, truth)
    return page.write(path, f"mickey-hloc {__version__}. {command}".strip())


def pose_page(
    result: TwoViewResult,
    photos: tuple[Photo, Photo],
    depth_maps: Maps = (None, None),
    truth: pycolmap.Rigid3d | None = None,
) -> Page:
    """The page of one pair: the pose in words, the scene, pictures, numbers. Args: as of ``write_pose_page``."""
    names = (photos[0].name, photos[1].name)
    page = Page(f"{names[1]} relative to {names[0]}", pose_statement(result.pose, names, truth), result.pose.success)
    page.heading("In 3-D")
    page.text(
        "Metres in the frame of the first camera (cam0): x right, y down, z forward. Drag to turn, scroll or pinch to "
        "come nearer, click a name below the scene to hide it."
    )
    figure = _scene(result, photos, depth_maps, truth)
    page.charts([(_scene_caption(result, names[0]), figure)], height_px=560)
    page.heading("Pictures")
    page.pictures(list(draw_pictures(result, photos, depth_maps).values()))
    page.heading("Numbers")
    page.numbers(_numbers(result, truth))
    return page


def _scene_caption(result: TwoViewResult, name: str) -> str:
    if result.pose.success:
        return "Where both photos' points coincide, their depths and the pose agree."
    camera1 = "the refused estimate of the second camera" if result.pose.has_estimate else "no second camera"
    return f"The keypoints of {name} where its depth places them, and {camera1}."


def _scene(
    result: TwoViewResult, photos: tuple[Photo, Photo], depth_maps: Maps, truth: pycolmap.Rigid3d | None
) -> object:
    view0, view1 = result.problem.view0, result.problem.view1
    images = (photos[0].image, photos[1].image)
    names = (photos[0].name, photos[1].name)
    return two_view_scene(view0, view1, result.pose, images, names, truth=truth, depth_maps=depth_maps)


def _numbers(result: TwoViewResult, truth: pycolmap.Rigid3d | None) -> dict[str, object]:
    values = {key: value for key, value in pose_as_dict(result).items() if key not in ("success", "covariance")}
    if truth is not None:
        x, y, z, w = np.array(truth.rotation.quat) * (-1 if truth.rotation.quat[3] < 0 else 1)
        values["true quaternion_wxyz"] = [float(v) for v in (w, x, y, z)]
        values["true translation_m"] = [float(v) for v in truth.translation]
    return {key: value for key, value in values.items() if value not in (None, "")}

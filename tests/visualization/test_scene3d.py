import builtins
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
import torch

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.rooms import PairOptions, sample_pair
from mickey_hloc.solvers import View
from mickey_hloc.visualization import SceneCamera, ScenePoints, draw_scene, rgb_cube, save_scene, two_view_scene
from mickey_hloc.visualization.frustum import frustum_lines, photo_mesh

K = torch.tensor([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]])
SIZE = (640, 480)


def two_views(pose: pycolmap.Rigid3d, count: int = 30) -> tuple[View, View]:
    """Views that see the same points; the depth of the first keypoint is unknown."""
    random = np.random.default_rng(0)
    world = random.uniform((-1, -1, 2), (1, 1, 4), (count, 3))
    views = []
    for cam in (pycolmap.Rigid3d(), pose):
        points = world @ cam.rotation.matrix().T + cam.translation
        pixels = (points / points[:, 2:]) @ K.double().numpy().T
        depths = torch.from_numpy(points[:, 2]).float()
        depths[0] = torch.nan
        views.append(View(torch.from_numpy(pixels[:, :2]).float(), depths, K, SIZE))
    return views[0], views[1]


def a_pose(count: int = 30) -> RelativePose:
    rotation = pycolmap.Rotation3d(np.array([0, np.sin(0.1), 0, np.cos(0.1)]))
    cam1_from_cam0 = pycolmap.Rigid3d(rotation, np.array([-0.4, 0.1, 0.2]))
    correspondences = np.arange(count)[:, None].repeat(2, axis=1)
    return RelativePose(True, cam1_from_cam0, 10.0, 0.9, correspondences, np.arange(count) < 20)


def trace(figure: Any, name: str) -> np.ndarray:
    found = next(item for item in figure.data if item.name == name)
    return np.column_stack([np.array(found[axis], dtype=float) for axis in "xyz"])


def test_points_of_both_views_coincide_under_the_true_pose() -> None:
    pytest.importorskip("plotly")
    pose = a_pose()
    figure = two_view_scene(*two_views(pose.cam1_from_cam0), pose, names=("a", "b"))
    first, second = trace(figure, "inliers by a"), trace(figure, "inliers by b")
    assert len(first) == len(second) == 19  # 20 inliers, one without depth
    np.testing.assert_allclose(first, second, atol=1e-4)
    centre = pose.cam1_from_cam0.inverse().translation
    np.testing.assert_allclose(trace(figure, "b")[0], centre)
    np.testing.assert_allclose(trace(figure, "a")[0], 0)


def test_a_failure_shows_the_first_camera_only() -> None:
    pytest.importorskip("plotly")
    views = two_views(a_pose().cam1_from_cam0)
    figure = two_view_scene(*views, RelativePose.failure("too few"), names=("a", "b"))
    assert {item.name for item in figure.data} == {"keypoints of a", "a"}
    with pytest.raises(ValueError, match="image_size"):
        two_view_scene(View(views[0].keypoints, views[0].depths, K), views[1], RelativePose.failure("x"))


def test_a_depth_map_becomes_a_coloured_cloud() -> None:
    pytest.importorskip("plotly")
    pose = a_pose()
    view0, view1 = two_views(pose.cam1_from_cam0)
    depth_map = torch.full((480, 640), 2.0)
    depth_map[:240] = torch.nan
    view0 = View(view0.keypoints, view0.depths, K, SIZE, depth_map)
    image = np.full((480, 640, 3), (200, 100, 50), np.uint8)
    figure = two_view_scene(view0, view1, pose, (image, image), names=("a", "b"))
    cloud = trace(figure, "depth map of a")
    assert 0 < len(cloud) <= 20_000
    np.testing.assert_allclose(cloud[:, 2], 2.0)
    assert cloud[:, 1].min() > 0  # the lower half of the picture: y points down
    marker = next(item for item in figure.data if item.name == "depth map of a").marker
    assert set(marker.color) == {"#c86432"}


def test_a_rendered_pair_stands_where_it_was_rendered() -> None:
    """Exact depth and the true pose: both clouds lie on the room's surfaces, and both true centres are the camera's."""
    pytest.importorskip("plotly")
    pair = sample_pair(3, (80, 60), PairOptions(fov_deg=(60.0, 66.0)))
    truth = pair.cam1_from_cam0
    views = []
    for view in (pair.view0, pair.view1):
        rows, columns = np.mgrid[5:55:7, 5:75:9].reshape(2, -1)
        keypoints = torch.from_numpy(np.column_stack([columns, rows])).float()
        depth = torch.from_numpy(view.depth).float()
        views.append(View(keypoints, depth[rows, columns], torch.from_numpy(view.K).float(), (80, 60), depth))
    count = len(views[0].keypoints)
    pose = RelativePose(True, truth, 1.0, 1.0, np.arange(count)[:, None].repeat(2, axis=1), np.ones(count, bool))
    images = (pair.view0.image, pair.view1.image)
    figure = two_view_scene(*views, pose, images, ("a", "b"), truth=truth)
    centre = -truth.rotation.matrix().T @ truth.translation
    for name in ("b", "b, true"):
        np.testing.assert_allclose(trace(figure, name)[0], centre, atol=1e-9)
    # the cloud of b seen by a: its depth is what a rendered there, where a sees the same place
    cloud = trace(figure, "depth map of b")
    pixels = cloud @ pair.view0.K.T
    columns, rows = (pixels[:, :2] / pixels[:, 2:]).round().astype(int).T
    inside = (cloud[:, 2] > 0) & (columns >= 0) & (columns < 80) & (rows >= 0) & (rows < 60)
    assert inside.sum() > 500
    apart = np.abs(pair.view0.depth[rows[inside], columns[inside]] - cloud[inside, 2])
    assert np.median(apart / cloud[inside, 2]) < 0.02
    distances = next(item for item in figure.data if item.name == "inliers by a").customdata
    np.testing.assert_allclose(distances, np.linalg.norm(trace(figure, "inliers by a"), axis=1))


def test_a_refused_estimate_and_the_truth_are_cameras_of_their_own() -> None:
    pytest.importorskip("plotly")
    pose = a_pose()
    refused = RelativePose(False, reason="weak", estimate=pose.cam1_from_cam0)
    figure = two_view_scene(*two_views(pose.cam1_from_cam0), refused, names=("a", "b"), truth=pycolmap.Rigid3d())
    assert {item.name for item in figure.data} == {"keypoints of a", "a", "b, refused estimate", "b, true"}
    np.testing.assert_allclose(trace(figure, "b, true")[0], 0)


def test_the_photo_lies_upright_on_the_base_of_its_camera() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:240, :, 0], image[:, 320:, 1] = 255, 255  # the upper half red, the right half green
    pose = a_pose().cam1_from_cam0
    camera = SceneCamera("c", K.double().numpy(), SIZE, pose, image)
    vertices, triangles, colors = photo_mesh(camera, 0.3)
    assert triangles.max() == len(vertices) - 1
    in_cam = vertices @ pose.rotation.matrix().T + pose.translation
    np.testing.assert_allclose(in_cam[:, 2], 0.3)
    assert (in_cam[colors[:, 0] > 200, 1] <= 0.01).all()  # y points down
    assert (in_cam[colors[:, 1] > 200, 0] >= -0.01).all()  # x points right


def test_places_are_colours() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [np.nan, 0, 0]])
    assert rgb_cube(corners, 0).tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]]
    assert rgb_cube(np.zeros((0, 3))).shape == (0, 3)


def test_frustum_corners_project_to_the_corners_of_the_picture() -> None:
    pose = a_pose().cam1_from_cam0
    lines = frustum_lines(SceneCamera("c", K.double().numpy(), SIZE, pose), 0.3)
    corners = lines[[1, 2, 4, 5]]
    in_cam = corners @ pose.rotation.matrix().T + pose.translation
    np.testing.assert_allclose(in_cam[:, 2], 0.3)
    pixels = (in_cam / in_cam[:, 2:]) @ K.double().numpy().T
    expected = {(-0.5, -0.5), (639.5, -0.5), (639.5, 479.5), (-0.5, 479.5)}
    assert {tuple(np.round(pixel, 6)) for pixel in pixels[:, :2]} == expected


def test_scene_without_points_or_cameras_and_its_page(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    camera = SceneCamera("<b>one</b>", K.double().numpy(), SIZE, pycolmap.Rigid3d())
    assert len(draw_scene([camera], []).data) == 1
    assert len(draw_scene([], [ScenePoints("p", np.full((3, 3), np.nan))]).data) == 1
    page = save_scene(tmp_path / "s" / "scene.html", draw_scene([camera], [])).read_text()
    assert "<b>one</b>" not in page
    assert not re.search(r"<script[^>]+src=", page)  # plotly's code is inside


def test_missing_plotly_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_plotly(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("plotly"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("plotly")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_plotly)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mickey-hloc\[report\]'"):
        draw_scene([], [])

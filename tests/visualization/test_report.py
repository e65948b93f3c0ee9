import builtins
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
import torch

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers import View
from mickey_hloc.visualization import SceneCamera, ScenePoints, draw_scene, save_scene, two_view_scene, write_report
from mickey_hloc.visualization.scene3d import frustum_lines

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
    assert set(marker.color) == {"rgb(200,100,50)"}


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


class Balanced(HTMLParser):
    """Fails where tags are closed in another order than opened."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.images += tag == "img"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("widths", [(), (1300,), (700, 700), (1300, 700, 700), (700, 1300, 700)])
def test_report_is_one_well_formed_page(tmp_path: Path, widths: tuple[int, ...]) -> None:
    pictures = [(f"picture <{width}>", np.zeros((20, width, 3), np.uint8)) for width in widths]
    numbers = {"t (m)": np.array([0.1, 0.2, 0.3]), "score": 12.3456789, "<x>": None, "seconds": {"model": 0.25}}
    path = write_report(tmp_path / "report.html", "a <b>", "moved & turned", numbers, pictures, footer="command")
    page = path.read_text()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.images == len(widths)
    for text in ("a &lt;b&gt;", "moved &amp; turned", "0.1  0.2  0.3", "12.3457", "&lt;x&gt;", "model 0.25"):
        assert text in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert 'class="failed"' not in page


def test_report_of_a_failure_and_with_a_scene(tmp_path: Path) -> None:
    path = write_report(tmp_path / "f.html", "t", "No pose: too few", {}, success=False)
    assert 'class="failed"' in path.read_text()
    pytest.importorskip("plotly")
    pose = a_pose()
    scene = two_view_scene(*two_views(pose.cam1_from_cam0), pose)
    assert "Scene" in write_report(tmp_path / "s.html", "t", "s", {}, scene=scene).read_text()
    with pytest.raises(ValueError, match="picture must be"):
        write_report(tmp_path / "bad.html", "t", "s", {}, [("x", np.zeros((2, 2, 3)))])
    assert not (tmp_path / "bad.html").exists()

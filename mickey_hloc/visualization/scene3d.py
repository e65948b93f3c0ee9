"""Cameras and points in metres as an interactive page (plotly; ``pip install 'mickey-hloc[report]'``)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.io.files import atomic_path

# Blue, vermillion, green, orange, purple, sky: Okabe and Ito's palette for all kinds of colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """A camera to draw.

    Attributes:
        name: in the legend.
        K: (3, 3) pixels.
        image_size: (width, height) pixels.
        cam_from_world: pose, metres.
    """

    name: str
    K: np.ndarray
    image_size: tuple[int, int]
    cam_from_world: pycolmap.Rigid3d


@dataclass(frozen=True, eq=False)
class ScenePoints:
    """Points to draw.

    Attributes:
        name: in the legend.
        positions: (N, 3) metres, world frame; rows that are not finite are left out.
        colors: (N, 3) uint8, or one colour as text.
        size: px.
        visible: False = listed in the legend, shown on a click.
    """

    name: str
    positions: np.ndarray
    colors: np.ndarray | str = "#444444"
    size: float = 2.5
    visible: bool = True


def draw_scene(cameras: Sequence[SceneCamera], points: Sequence[ScenePoints], title: str = "") -> Any:
    """A plotly figure of cameras (as pyramids of their field of view) and points, axes in metres.

    Returns:
        A ``plotly.graph_objects.Figure``; a notebook shows it, ``save_scene`` writes it.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    go = _plotly()
    size = _camera_size(cameras, points)
    figure = go.Figure()
    for group in points:
        xyz, colors = _finite(group)
        figure.add_scatter3d(
            x=xyz[:, 0],
            y=xyz[:, 1],
            z=xyz[:, 2],
            mode="markers",
            name=html.escape(group.name),
            visible=True if group.visible else "legendonly",
            marker={"size": group.size, "color": colors},
            hovertemplate="%{x:.2f}, %{y:.2f}, %{z:.2f} m",
        )
    for i, camera in enumerate(cameras):
        line = {"color": COLORS[i % len(COLORS)], "width": 4}
        x, y, z = frustum_lines(camera, size).T
        figure.add_scatter3d(x=x, y=y, z=z, mode="lines", name=html.escape(camera.name), line=line, hoverinfo="name")
    axes = {
        f"{axis}axis": {"title": f"{axis} (m)", "backgroundcolor": "#f6f6f6", "gridcolor": "#dddddd"} for axis in "xyz"
    }
    # y points down in a camera's frame; the first look is from behind and above the cameras.
    view = {"up": {"x": 0, "y": -1, "z": 0}, "eye": {"x": -0.35, "y": -0.5, "z": -1.25}}
    figure.update_layout(
        title={"text": html.escape(title), "font": {"size": 15}},
        scene={"aspectmode": "data", "camera": view, **axes},
        margin={"l": 0, "r": 0, "b": 0, "t": 36 if title else 0},
        legend={"x": 0.01, "y": 0.99, "itemsizing": "constant"},
        paper_bgcolor="#ffffff",
    )
    return figure


def scene_as_html(figure: Any) -> str:
    """A piece of HTML with plotly's code inside: it works without a network."""
    return str(figure.to_html(full_html=False, include_plotlyjs=True, default_height="560px"))


def save_scene(path: Path, figure: Any) -> Path:
    """Write a figure as one page that needs no network, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(figure.to_html(full_html=True, include_plotlyjs=True), encoding="utf-8")
    return Path(path)


def frustum_lines(camera: SceneCamera, size_m: float) -> np.ndarray:
    """(L, 3) metres, world frame: a polyline with NaN gaps along the edges of the field of view.

    Args:
        size_m: distance of the picture from the camera's centre. A mark shows which side is up.
    """
    width, height = camera.image_size
    # the picture's outer corners; pixel centres are at integers
    left, right, top, bottom = -0.5, width - 0.5, -0.5, height - 0.5
    middle = (left + right) / 2
    pixels = [(left, top), (right, top), (right, bottom), (left, bottom), (middle, top - 0.12 * height)]
    rays = np.linalg.solve(camera.K, np.column_stack([np.array(pixels), np.ones(5)]).T).T
    world_from_cam = camera.cam_from_world.inverse()
    corners = size_m * rays @ world_from_cam.rotation.matrix().T + world_from_cam.translation
    a, b, c, d, up = corners
    centre, gap = np.asarray(world_from_cam.translation), np.full(3, np.nan)
    parts = [centre, a, b, centre, c, d, centre, gap, a, d, gap, b, c, gap, a, up, b]
    return np.array(parts)


def _plotly() -> Any:
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise MissingDependencyError("3-D scenes need plotly: pip install 'mickey-hloc[report]'.") from error
    return go


def _finite(group: ScenePoints) -> tuple[np.ndarray, Any]:
    keep = np.isfinite(group.positions).all(axis=1)
    if isinstance(group.colors, str):
        return group.positions[keep], group.colors
    return group.positions[keep], ["rgb({},{},{})".format(*color) for color in group.colors[keep]]


def _camera_size(cameras: Sequence[SceneCamera], points: Sequence[ScenePoints]) -> float:
    """Metres: large enough to be seen beside the points, small enough not to hide them."""
    positions = np.concatenate([_finite(group)[0] for group in points]) if points else np.zeros((0, 3))
    centres = np.array([camera.cam_from_world.inverse().translation for camera in cameras]).reshape(-1, 3)
    if len(positions) and len(centres):
        return float(np.clip(0.12 * np.median(np.linalg.norm(positions - centres.mean(axis=0), axis=1)), 0.02, 2.0))
    return 0.2

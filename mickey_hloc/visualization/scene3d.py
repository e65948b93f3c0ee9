"""Cameras and points in metres as an interactive figure (plotly; ``pip install 'mickey-hloc[report]'``)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mickey_hloc.io.files import atomic_path
from mickey_hloc.visualization.frustum import SceneCamera, camera_size_m, frustum_lines, photo_mesh
from mickey_hloc.visualization.plotly_parts import CLEAR, COLORS, GRID, plotly_objects
from mickey_hloc.visualization.scene_view import first_look

AXES = ("x right", "y down", "z forward")  # of a camera


@dataclass(frozen=True, eq=False)
class ScenePoints:
    """Points to draw.

    Attributes:
        name: in the legend.
        positions: (N, 3) metres, world frame; rows that are not finite are left out.
        colors: (N, 3) uint8, or one colour as text.
        size: px.
        visible: False = listed in the legend, shown on a click.
        alternatives: further colours by the label of the button that shows them.
    """

    name: str
    positions: np.ndarray
    colors: np.ndarray | str = "#444444"
    size: float = 2.5
    visible: bool = True
    alternatives: dict[str, np.ndarray | str] | None = None


@dataclass(frozen=True, eq=False)
class SceneLinks:
    """Lines between points. Attributes: name: in the legend. starts, ends: (N, 3) metres, world frame."""

    name: str
    starts: np.ndarray
    ends: np.ndarray
    visible: bool = True


def draw_scene(
    cameras: Sequence[SceneCamera],
    points: Sequence[ScenePoints],
    title: str = "",
    links: Sequence[SceneLinks] = (),
    colors_label: str = "camera",
    show_legend: bool = True,
    axes: Sequence[str] = AXES,
    unit: str = "m",
) -> Any:
    """A plotly figure of cameras (as pyramids of their field of view), points and lines, axes in metres.

    Args:
        show_legend: False where there are too many cameras to list.
        colors_label: the button that shows the points' own colours, where they have alternatives.
        axes: what x, y and z are.
        unit: of all lengths.

    Returns:
        A ``plotly.graph_objects.Figure``; a notebook shows it, ``save_scene`` and ``Page.charts`` write it.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    go = plotly_objects()
    figure = go.Figure()
    cloud = [_finite(group.positions) for group in points]
    size_m = camera_size_m(cameras, np.concatenate(cloud) if cloud else np.zeros((0, 3)))
    origin = cameras[0] if cameras else None
    for group in points:
        _add_points(figure, group, origin)
    for lines in links:
        _add_links(figure, lines)
    for i, camera in enumerate(cameras):
        _add_camera(figure, camera, camera.color or COLORS[i % len(COLORS)], size_m)
    drawn = [frustum_lines(camera, size_m) for camera in cameras]
    none = np.zeros((0, 3))
    look, farther = first_look(cameras, np.concatenate([none, *cloud]), np.concatenate([none, *drawn]))
    grid = {"showbackground": False, "gridcolor": GRID, "zerolinecolor": GRID, "color": "#808080"}
    for axis, text in zip("xyz", axes, strict=True):
        look[f"{axis}axis"] |= {"title": {"text": f"{text} ({unit})"}, **grid}
    figure.update_layout(
        title={"text": html.escape(title), "font": {"size": 15}},
        scene=look,
        meta={"unit": unit, "farther": farther},
        margin={"l": 0, "r": 0, "b": 0, "t": 36 if title else 0},
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "itemsizing": "constant"},
        paper_bgcolor=CLEAR,
        showlegend=show_legend,
        font={"color": "#808080"},
        updatemenus=_buttons(points, colors_label),
    )
    return figure


def save_scene(path: Path, figure: Any) -> Path:
    """Write a figure as one page that needs no network, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(figure.to_html(full_html=True, include_plotlyjs=True), encoding="utf-8")
    return Path(path)


def _add_points(figure: Any, group: ScenePoints, origin: SceneCamera | None) -> None:
    keep = np.isfinite(group.positions).all(axis=1)
    xyz = np.asarray(group.positions, dtype=np.float64)[keep]
    name, hover = html.escape(group.name), "x %{x:.2f}, y %{y:.2f}, z %{z:.2f} m"
    data: dict[str, Any] = {}
    if origin is not None:
        data["customdata"] = np.linalg.norm(xyz - origin.centre, axis=1)
        hover = f"%{{customdata:.2f}} m from {html.escape(origin.name)}<br>{hover}"
    figure.add_scatter3d(
        x=xyz[:, 0],
        y=xyz[:, 1],
        z=xyz[:, 2],
        mode="markers",
        name=name,
        visible=True if group.visible else "legendonly",
        marker={"size": group.size, "color": _css(group.colors, keep)},
        hovertemplate=hover + f"<extra>{name}</extra>",
        **data,
    )


def _add_links(figure: Any, group: SceneLinks) -> None:
    keep = np.isfinite(group.starts).all(axis=1) & np.isfinite(group.ends).all(axis=1)
    gaps = np.full((int(keep.sum()), 3), np.nan)
    lines = np.stack([group.starts[keep], group.ends[keep], gaps], axis=1).reshape(-1, 3)
    figure.add_scatter3d(
        x=lines[:, 0],
        y=lines[:, 1],
        z=lines[:, 2],
        mode="lines",
        name=html.escape(group.name),
        visible=True if group.visible else "legendonly",
        line={"color": GRID, "width": 2},
        hoverinfo="skip",
    )


def _add_camera(figure: Any, camera: SceneCamera, color: str, size_m: float) -> None:
    name = html.escape(camera.name)
    x, y, z = frustum_lines(camera, size_m).T
    away = np.linalg.norm(camera.centre)
    figure.add_scatter3d(
        x=x,
        y=y,
        z=z,
        mode="lines",
        name=name,
        legendgroup=name,
        line={"color": color, "width": 4, "dash": camera.dash},
        hovertemplate=f"{name}, {away:.2f} m from the origin<extra></extra>",
    )
    if camera.image is None:
        return
    vertices, triangles, colors = photo_mesh(camera, size_m)
    x, y, z = vertices.T
    i, j, k = triangles.T
    flat = {"ambient": 1.0, "diffuse": 0.0, "specular": 0.0, "fresnel": 0.0}
    figure.add_mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        vertexcolor=_css(colors, np.ones(len(colors), dtype=bool)),
        lighting=flat,
        name=f"photo of {name}",
        legendgroup=name,
        hoverinfo="skip",
        showlegend=False,
    )


def _finite(positions: np.ndarray) -> np.ndarray:
    return positions[np.isfinite(positions).all(axis=1)]


def _css(colors: np.ndarray | str, keep: np.ndarray) -> Any:
    if isinstance(colors, str):
        return colors
    return ["#{:02x}{:02x}{:02x}".format(*color) for color in np.asarray(colors)[keep].tolist()]


def _buttons(points: Sequence[ScenePoints], colors_label: str) -> list[dict[str, Any]]:
    """Buttons that recolour the points; they are the first traces of the figure."""
    labels = list(dict.fromkeys(label for group in points for label in group.alternatives or {}))
    if not labels:
        return []
    keeps = [np.isfinite(group.positions).all(axis=1) for group in points]

    def button(label: str) -> dict[str, Any]:
        chosen = [(group.alternatives or {}).get(label, group.colors) for group in points]
        colors = [_css(color, keep) for color, keep in zip(chosen, keeps, strict=True)]
        return {"label": label, "method": "restyle", "args": [{"marker.color": colors}, list(range(len(points)))]}

    place = {"type": "buttons", "direction": "right", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top"}
    looks = {"bgcolor": "#eeeeee", "font": {"color": "#1a1a1a", "size": 12}, "pad": {"l": 4, "t": 4}}
    return [{**place, **looks, "buttons": [button(label) for label in (colors_label, *labels)]}]

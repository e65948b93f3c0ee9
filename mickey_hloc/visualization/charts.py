"""Charts of many results as plotly figures: curves of precision and recall, of errors, and how honest confidence is."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mickey_hloc.confidence.reliability import ReliabilityBin
from mickey_hloc.visualization.plotly_parts import CLEAR, COLORS, GRID, plotly_objects

Curve = tuple[np.ndarray, np.ndarray, float]  # precision, recall and area of evaluation.metrics.precision_recall
MAX_STEPS = 600  # corners of a curve; more are not seen


def precision_recall_chart(curves: Mapping[str, Curve], criterion: str) -> Any:
    """One line a method: what share of the poses is right when only the most confident ones are kept.

    Args:
        curves: by the name of the method, at least one.
        criterion: what right means.
    """
    figure = _figure("share of all pairs kept (recall)", f"share that is right: {criterion} (precision)")
    figure.update_xaxes(range=[0, 1.02])
    figure.update_yaxes(range=[0, 1.04])
    for i, (name, (precision, recall, area)) in enumerate(curves.items()):
        x, y = np.append(0.0, recall), np.append(precision[:1], precision)
        _line(figure, i, f"{name}, area {area:.3f}", *_thinned(x, y), shape="vh")
    return figure


def cumulative_chart(errors: Mapping[str, np.ndarray], label: str, limit: float, threshold: float | None = None) -> Any:
    """One line a method: the share of all pairs whose error is below each value.

    Args:
        errors: (N,) by name, a failure being infinite.
        label: of the errors, with unit.
        limit: the largest value shown.
        threshold: drawn where right begins.
    """
    figure = _figure(label, "share of all pairs")
    figure.update_xaxes(range=[0, limit])
    figure.update_yaxes(range=[0, 1.04])
    for i, (name, values) in enumerate(errors.items()):
        ordered = np.sort(values)
        share = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
        shown = ordered <= limit
        x, y = np.append(0.0, ordered[shown]), np.append(0.0, share[shown])
        x, y = np.append(x, limit), np.append(y, y[-1])
        _line(figure, i, name, *_thinned(x, y), shape="hv")
    if threshold is not None:
        figure.add_vline(x=threshold, line={"color": GRID, "dash": "dash", "width": 1})
    return figure


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Any:
    """How many poses of each confidence are right; on the dashed line confidence is honest."""
    go = plotly_objects()
    figure = _figure("confidence", "share that is right")
    figure.update_xaxes(range=[0, 1.02])
    figure.update_yaxes(range=[0, 1.08])
    honest = {"color": GRID, "dash": "dash", "width": 1}
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=honest, name="honest", hoverinfo="skip"))
    counts = [b.count for b in bins]
    bars = go.Bar(
        x=[(b.low + b.high) / 2 for b in bins],
        y=[b.right for b in bins],
        width=[0.9 * (b.high - b.low) for b in bins],
        text=counts,
        textposition="outside",
        customdata=[[b.count, b.predicted] for b in bins],
        hovertemplate="%{customdata[0]} poses, mean confidence %{customdata[1]:.2f}: %{y:.2f} right<extra></extra>",
        marker={"color": COLORS[0]},
        name="poses (their number above)",
    )
    figure.add_trace(bars)
    return figure


def histogram(values: np.ndarray, label: str, limits: tuple[float, float] = (0.0, 1.0), bins: int = 20) -> Any:
    """How many pairs have each value."""
    go = plotly_objects()
    counts, edges = np.histogram(values, bins=bins, range=limits)
    figure = _figure(label, "pairs")
    figure.update_yaxes(dtick=max(1, math.ceil(int(counts.max(initial=0)) / 5)))  # there are no half pairs
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    figure.add_trace(go.Bar(x=middle, y=counts, width=0.92 * width, marker={"color": COLORS[0]}, showlegend=False))
    return figure


def _figure(x: str, y: str) -> Any:
    figure = plotly_objects().Figure()
    axis = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": GRID, "automargin": True}
    figure.update_layout(
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"color": "#808080"},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": html.escape(x), **axis},
        yaxis={"title": html.escape(y), **axis},
        showlegend=True,  # a single line has a name, too
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def _line(figure: Any, i: int, name: str, x: np.ndarray, y: np.ndarray, shape: str) -> None:
    line = {"color": COLORS[i % len(COLORS)], "shape": shape, "dash": "solid" if i < len(COLORS) else "dash"}
    figure.add_scatter(x=x, y=y, mode="lines", name=html.escape(name), line=line)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_STEPS)).round().astype(np.int64))
    return x[keep], y[keep]

"""Two images side by side with the matches between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mickey_hloc.visualization.canvas import (
    Scale,
    check_image,
    colormap,
    display_scale,
    render,
    resize,
    robust_limits,
)

GAP = 6  # px between the images
PLAIN = (0.94, 0.89, 0.26, 1.0)  # yellow of Okabe and Ito's palette for all kinds of colour vision


def draw_matches(
    image0: np.ndarray,
    image1: np.ndarray,
    keypoints0: np.ndarray,
    keypoints1: np.ndarray,
    inliers: np.ndarray,
    values: np.ndarray | None = None,
    title: str = "",
    *,
    value_label: str = "depth (m)",
    limits: tuple[float, float] | None = None,
    max_lines: int = 300,
    colors: np.ndarray | None = None,
    noun: str = "matches",
) -> np.ndarray:
    """Draw matches as lines: inliers coloured, outliers thin and grey beneath them.

    Args:
        image0, image1: (H, W, 3) uint8 RGB, sizes may differ; both are shown at one height.
        keypoints0, keypoints1: (M, 2) pixels of each image, centre of the top-left pixel = (0, 0).
        inliers: (M,) bool.
        values: (M,) a number per match that colours the inliers, e.g. depth in metres or residual in metres or pixels;
            NaN = grey. None: all inliers in one colour.
        title: text above the picture.
        value_label: what the values are, with unit, beside the colour bar.
        limits: values at the ends of the colour scale; default: the 2nd and 98th percentile of the inliers' values.
        colors: (M, 2, 3) uint8, of each match's two ends, instead of values; its line is grey.
        noun: what the note below calls them all.
        max_lines: of more inliers (or outliers) an even choice of as many is drawn, and the note below says so.

    Returns:
        (H', W', 3) uint8.

    Raises:
        ValueError: arrays of the wrong shape or type.
    """
    images = [check_image("image0", image0), check_image("image1", image1)]
    inliers = np.asarray(inliers).astype(bool)
    points = [np.asarray(k, dtype=np.float64) for k in (keypoints0, keypoints1)]
    if any(p.shape != (len(inliers), 2) for p in points) or inliers.ndim != 1:
        raise ValueError(f"wanted keypoints (M, 2) and inliers (M,), got {[p.shape for p in points]}, {inliers.shape}")
    if values is not None and np.shape(values) != inliers.shape:
        raise ValueError(f"values must have shape {inliers.shape}, got {np.shape(values)}")
    picture, ends = _side_by_side([_pale(image) for image in images], points)
    scale = None
    line_colors = np.tile(PLAIN, (len(inliers), 1))
    if values is not None:
        values = np.asarray(values, dtype=np.float64)
        low, high = limits or robust_limits(values[inliers])
        scale = Scale(colormap("plasma_r", 0.0, 0.8), low, high, value_label)
        line_colors = np.where(np.isfinite(values)[:, None], scale(values), (0.75, 0.75, 0.75, 1.0))
    dot_colors = np.repeat(line_colors[:, None, :3], 2, axis=1)
    if colors is not None:
        line_colors, dot_colors = np.full((len(inliers), 4), (0.75, 0.75, 0.75, 1.0)), np.asarray(colors) / 255.0
    finite = np.isfinite(ends).all(axis=(1, 2))
    good, bad = (_thin(np.flatnonzero(mask & finite), max_lines) for mask in (inliers, ~inliers))
    if values is not None:  # near matches (small residuals) on top
        good = good[np.argsort(-np.nan_to_num(values[good], nan=np.inf), kind="stable")]

    def draw(axes: Axes) -> None:
        opacity = float(np.clip(40 / max(1, len(good)), 0.35, 0.9))  # many lines must not hide the photos
        axes.add_collection(LineCollection(ends[bad], colors="#000000", linewidths=1.2, alpha=0.25))
        axes.add_collection(LineCollection(ends[bad], colors="#ffffff", linewidths=0.6, alpha=0.42))
        axes.add_collection(LineCollection(ends[good], colors="#000000", linewidths=1.6, alpha=0.4 * opacity))
        axes.add_collection(LineCollection(ends[good], colors=line_colors[good], linewidths=0.9, alpha=opacity))
        dots = ends[good].reshape(-1, 2)
        style: dict[str, Any] = {"edgecolors": "#000000", "linewidths": 0.5, "zorder": 3}
        axes.scatter(dots[:, 0], dots[:, 1], s=13 if colors is None else 26, c=dot_colors[good].reshape(-1, 3), **style)

    note = _note(inliers, len(good), len(bad), noun)
    if values is not None and not np.isfinite(values[good]).all():
        note += "; grey: value unknown"
    return render(picture, draw, title, scale, note)


def _side_by_side(images: list[np.ndarray], points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The picture of both images, and (M, 2, 2) line ends in its pixels."""
    height = max(round(image.shape[0] * display_scale(image)) for image in images)
    shown = [resize(image, height / image.shape[0]) for image in images]
    height = max(image.shape[0] for image in shown)
    lefts = [0, shown[0].shape[1] + GAP]
    picture = np.full((height, lefts[1] + shown[1].shape[1], 3), 255, dtype=np.uint8)
    ends = np.empty((len(points[0]), 2, 2))
    for side, (image, original) in enumerate(zip(shown, images, strict=True)):
        picture[: image.shape[0], lefts[side] : lefts[side] + image.shape[1]] = image
        factors = np.array(image.shape[1::-1]) / np.array(original.shape[1::-1])
        ends[:, side] = points[side] * factors + (factors - 1) / 2  # centres of pixels are at integers in both
        ends[:, side, 0] += lefts[side]
    return picture, ends


def _pale(image: np.ndarray) -> np.ndarray:
    """The photo with half its colour and a little darker, so that the lines stand out."""
    grey = (image @ np.array([0.299, 0.587, 0.114]))[..., None]
    return np.asarray(0.85 * (0.5 * image + 0.5 * grey)).round().astype(np.uint8)


def _thin(index: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the indices, evenly spread."""
    if len(index) <= most:
        return index
    return index[np.linspace(0, len(index) - 1, most).round().astype(np.int64)]


def _note(inliers: np.ndarray, drawn_inliers: int, drawn_outliers: int, noun: str) -> str:
    count, total = int(inliers.sum()), len(inliers)
    text = f"{count} inliers" if count == total else f"{count} inliers of {total} {noun}"
    if drawn_inliers < count or drawn_outliers < total - count:
        text += f"; drawn: {drawn_inliers} inliers, {drawn_outliers} others"
    return text

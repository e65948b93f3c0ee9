"""What the network sees in one image: depth and score maps, dense or at keypoints, over the photo."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mickey_hloc.visualization.canvas import (
    Scale,
    check_image,
    colormap,
    display_scale,
    render,
    resize,
    robust_limits,
)


def draw_depth_map(
    image: np.ndarray,
    keypoints: ArrayLike | None,
    depths: ArrayLike,
    title: str = "",
    *,
    limits: tuple[float, float] | None = None,
    label: str = "depth (m)",
) -> np.ndarray:
    """Depth over the photo: a coloured dot per keypoint, or a whole map.

    Args:
        image: (H, W, 3) uint8 RGB.
        keypoints: (N, 2) pixels, centre of the top-left pixel = (0, 0); None: ``depths`` is a map.
        depths: (N,) metres, or (h, w) metres of any resolution; unknown (non-finite or <= 0) is left uncoloured.
        title: text above the picture.
        limits: metres at the ends of the colour scale; default: the 2nd and 98th percentile.
        label: beside the colour bar.

    Returns:
        (H', W', 3) uint8.

    Raises:
        ValueError: arrays of the wrong shape or type.
    """
    values = np.asarray(depths, dtype=np.float64)
    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    low, high = limits or robust_limits(values)
    scale = Scale(colormap("plasma_r", 0.0, 0.95), low, high, label)
    known = np.isfinite(values).mean() if values.size else 0.0
    return _draw(
        image,
        keypoints,
        values,
        scale,
        title,
        f"depth known at {known:.0%} of {_places(keypoints, values)}"
        + ("; rings: unknown" if keypoints is not None and known < 1 else ""),
    )


def draw_score_map(
    image: np.ndarray,
    keypoints: ArrayLike | None,
    scores: ArrayLike,
    title: str = "",
    *,
    limits: tuple[float, float] | None = None,
    label: str = "score / mean score",
) -> np.ndarray:
    """Keypoint scores over the photo, relative to their mean: above 1 the network prefers this place to others.

    MicKey's scores are a probability over the cells of one image, so their absolute size says only how many cells
    there are. Args, returns, raises: as ``draw_depth_map``, with scores >= 0 in place of depths.
    """
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    mean = values[finite].mean() if finite.any() else 0.0
    values = np.where(finite, values / mean if mean > 0 else values, np.nan)
    low, high = limits or robust_limits(values)
    scale = Scale(colormap("viridis"), low, high, label)
    return _draw(image, keypoints, values, scale, title, _places(keypoints, values))


def _places(keypoints: ArrayLike | None, values: np.ndarray) -> str:
    return (
        f"{values.size} keypoints" if keypoints is not None else " x ".join(map(str, values.shape[::-1])) + " samples"
    )


def _draw(
    image: np.ndarray, keypoints: ArrayLike | None, values: np.ndarray, scale: Scale, title: str, note: str
) -> np.ndarray:
    image = check_image("image", image)
    picture = resize(image, display_scale(image))
    # The photo without its colours: those belong to the values.
    grey = np.repeat((picture @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    if keypoints is None:
        if values.ndim != 2 or values.size == 0:
            raise ValueError(f"a map must have shape (h, w), got {values.shape}")
        return render(_blend(grey, values, scale), lambda axes: None, title, scale, note)
    points = np.asarray(keypoints, dtype=np.float64)
    if values.ndim != 1 or points.shape != (len(values), 2):
        raise ValueError(f"wanted keypoints (N, 2) with N values, got {points.shape} and {values.shape}")
    factors = np.array(picture.shape[1::-1]) / np.array(image.shape[1::-1])
    points = points * factors + (factors - 1) / 2
    area = picture.shape[0] * picture.shape[1] / max(1, len(points))
    size = float(np.clip(area * 0.12, 6, 60))  # dots that cover a part of the photo, however many there are
    known = np.isfinite(values)

    def draw(axes: Axes) -> None:
        dots = points[known]
        axes.scatter(points[~known, 0], points[~known, 1], s=size * 0.4, c="none", edgecolors="#ffffff", linewidths=0.5)
        style: dict[str, Any] = {"edgecolors": "#000000", "linewidths": 0.3}
        axes.scatter(dots[:, 0], dots[:, 1], s=size, c=scale(values[known]), **style)

    return render((0.75 * grey).astype(np.uint8), draw, title, scale, note)


def _blend(grey: np.ndarray, values: np.ndarray, scale: Scale) -> np.ndarray:
    """(H, W, 3) uint8: the map's colours with the photo's light and dark; the bare photo where nothing is known."""
    height, width = grey.shape[:2]
    # nearest sample: values must not be mixed across unknown places or depth edges
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(np.int64)
    large = values[rows[:, None], columns[None]]
    known = np.isfinite(large)[..., None]
    colors = 255 * scale(np.nan_to_num(large))[..., :3]
    return np.where(known, 0.7 * colors + 0.3 * grey, 0.6 * grey).round().astype(np.uint8)

"""Pictures of exact pixel size, drawn by matplotlib objects; no pyplot and no global state, so threads may draw."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

DPI = 100
TITLE_LINE = 24  # px
BAR_WIDTH = 86  # px: the colour bar with its numbers and label
MARGIN = 8  # px
FONT_SIZE = 9.5
INK, PAPER = "#1a1a1a", "#ffffff"


@dataclass(frozen=True)
class Scale:
    """How values become colours: a colour map, its limits, and what the values are (with unit)."""

    colormap: Colormap
    low: float
    high: float
    label: str

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(..., 4) RGBA in [0, 1] of (...) values; values beyond the limits get the end colours."""
        return np.asarray(self.colormap(Normalize(self.low, self.high, clip=True)(values)))


def colormap(name: str, start: float = 0.0, end: float = 1.0) -> Colormap:
    """A part of one of matplotlib's perceptually uniform maps, which read well with any colour vision."""
    colors = matplotlib.colormaps[name](np.linspace(start, end, 256))
    return LinearSegmentedColormap.from_list(name, colors)


def robust_limits(values: np.ndarray, percent: float = 2.0) -> tuple[float, float]:
    """Limits that a few extreme values do not stretch; (0, 1) where there is no finite value."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, [percent, 100 - percent])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def rgb_cube(positions: np.ndarray, percent: float = 2.0) -> np.ndarray:
    """Colours of places in space: x, y and z of the box that holds them become red, green and blue.

    Source: the colouring of Figure 1 of Barroso-Laguna et al., "Matching 2D Images in 3D", CVPR 2024: where two images
    place a point alike, it has one colour in both.

    Args:
        positions: (N, 3), one frame for all of them.
        percent: as much at both ends of each axis is outside the box.

    Returns:
        (N, 3) uint8; grey where a position is not finite.
    """
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    finite = np.asarray(np.isfinite(positions).all(axis=1))
    if not finite.any():
        return np.full(positions.shape, 128, dtype=np.uint8)
    low, high = np.percentile(positions[finite], [percent, 100 - percent], axis=0)
    share = (positions - low) / np.maximum(high - low, 1e-9)
    colors = (np.nan_to_num(share, nan=0.5).clip(0, 1) * 255).round().astype(np.uint8)
    return np.where(finite[:, None], colors, np.uint8(128))


def check_image(name: str, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8, as it must be; raises ValueError otherwise."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"{name} must be H x W x 3 uint8, got {image.dtype} of shape {image.shape}")
    return image


def display_scale(image: np.ndarray, smallest: int = 480, largest: int = 960) -> float:
    """The factor that brings the longer side into the range; photos of 640 px stay pixel by pixel."""
    longest = max(image.shape[:2])
    if longest > largest:
        return largest / longest
    return float(np.ceil(smallest / longest)) if longest < smallest else 1.0


def resize(image: np.ndarray, scale: float) -> np.ndarray:
    """Resize by a factor, without aliasing; at least one pixel remains."""
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if scale == int(scale) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method))


def render(
    picture: np.ndarray, draw: Callable[[Axes], None], title: str = "", scale: Scale | None = None, note: str = ""
) -> np.ndarray:
    """Draw on a picture: title above, note below, colour bar at the right.

    Args:
        picture: (H, W, 3) uint8, kept pixel by pixel.
        draw: draws on axes whose units are the picture's pixels, centre of the top-left pixel = (0, 0).
        title, note: text; line breaks are kept.
        scale: what the colour bar shows.

    Returns:
        (H', W', 3) uint8, H' >= H, W' >= W.
    """
    height, width = picture.shape[:2]
    title, note = (_wrapped(text, width) for text in (title, note))
    top = TITLE_LINE * len(title.splitlines()) + (MARGIN // 2 if title else 0)
    bottom = TITLE_LINE * len(note.splitlines())
    total_width, total_height = width + (BAR_WIDTH if scale else 0), height + top + bottom
    figure = Figure(figsize=(total_width / DPI, total_height / DPI), dpi=DPI, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, bottom / total_height, width / total_width, height / total_height))
    axes.set_axis_off()
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.imshow(picture, interpolation="none", aspect="auto", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    draw(axes)
    text: dict[str, Any] = {"fontsize": FONT_SIZE, "color": INK, "ha": "left", "linespacing": 1.35, "parse_math": False}
    if title:
        figure.text(MARGIN / total_width, 1 - (MARGIN - 2) / total_height, title, va="top", **text)
    if note:
        figure.text(MARGIN / total_width, 5 / total_height, note, va="bottom", **text)
    if scale is not None:
        _color_bar(figure, scale, (width, height, bottom), (total_width, total_height))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:total_height, :total_width, :3].copy()


def _wrapped(text: str, width: int) -> str:
    """Lines that fit into a width in pixels."""
    most = max(16, (width - 2 * MARGIN) // 7)  # the font's mean width is 7 px
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, most) or [""])


def _color_bar(figure: Figure, scale: Scale, area: tuple[int, int, int], total: tuple[int, int]) -> None:
    width, height, bottom = area
    inset = min(20, height // 8)
    box = (
        (width + 10) / total[0],
        (bottom + inset) / total[1],
        14 / total[0],
        (height - 2 * inset) / total[1],
    )
    axes = figure.add_axes(box)
    bar = figure.colorbar(ScalarMappable(Normalize(scale.low, scale.high), scale.colormap), cax=axes)
    bar.set_label(scale.label, fontsize=FONT_SIZE, color=INK)
    bar.outline.set_linewidth(0.5)
    axes.tick_params(labelsize=FONT_SIZE - 0.5, width=0.5, length=3, colors=INK)
    axes.locator_params(nbins=max(2, min(8, height // 50)))

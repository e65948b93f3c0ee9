"""What all plotly figures share: the import, the looks, the piece of HTML."""

from __future__ import annotations

from typing import Any

from mickey_hloc.errors import MissingDependencyError

# Blue, vermillion, green, orange, purple, sky: Okabe and Ito's palette for all kinds of colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
GRID = "#9a9a9a"  # seen on white and on black
CLEAR = "rgba(0,0,0,0)"
_CONFIG = {"responsive": True, "displaylogo": False}


def plotly_objects() -> Any:
    """``plotly.graph_objects``.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise MissingDependencyError(
            "Reports and 3-D scenes need plotly: pip install 'mickey-hloc[report]'."
        ) from error
    return go


def plotly_script() -> str:
    """plotly's code, so that a page needs no network."""
    plotly_objects()
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def figure_as_html(figure: Any, height_px: int) -> str:
    """A piece of HTML that needs ``plotly_script`` before it; plotly escapes what could end the script."""
    options = {"full_html": False, "include_plotlyjs": False, "config": _CONFIG, "default_height": f"{height_px}px"}
    try:
        return str(figure.to_html(**options))
    except TypeError:  # plotly's fast way to json takes no name that is no UTF-8
        import plotly.io as pio

        fast, pio.json.config.default_engine = pio.json.config.default_engine, "json"
        try:
            return str(figure.to_html(**options))
        finally:
            pio.json.config.default_engine = fast

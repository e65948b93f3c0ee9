"""One HTML page that holds everything: words, tables, pictures and charts. It opens from disk and needs no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mickey_hloc.io.files import atomic_path
from mickey_hloc.visualization.canvas import check_image
from mickey_hloc.visualization.page_style import SCRIPT, SECURITY, STYLE
from mickey_hloc.visualization.plotly_parts import figure_as_html, plotly_script

Cell = str | float | int | None


class Page:
    """Collects sections and writes them; every text is escaped where it becomes HTML, here and nowhere else.

    Args:
        title: of the page.
        statement: the result in words; line breaks are kept.
        success: False marks the page as a failure.
    """

    def __init__(self, title: str, statement: str, success: bool = True) -> None:
        self.title, self.statement, self.success = title, statement, success
        self._parts: list[str] = []
        self._has_charts = False

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph; line breaks are kept."""
        self._parts.append(f'<p class="text">{html.escape(text)}</p>')

    def numbers(self, values: Mapping[str, object]) -> None:
        """A row each: floats with six digits, sequences and mappings in one row."""
        rows = "".join(
            f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(as_text(value))}</td></tr>"
            for name, value in values.items()
        )
        self._parts.append(f'<div class="wide"><table class="numbers">{rows}</table></div>')

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], is_number: Sequence[bool] = (), folded: str = ""
    ) -> None:
        """A table that scrolls sideways by itself, its first column kept in view.

        Args:
            head: titles.
            rows: finished texts.
            is_number: of each column: aligned to the right. Default: none is.
            folded: a line under which the table is hidden until it is clicked.
        """
        kinds = ["number" if number else "" for number in is_number] or [""] * len(head)

        def line(cells: Sequence[str], tag: str) -> str:
            pairs = zip(cells, kinds, strict=True)
            return "<tr>" + "".join(f'<{tag} class="{k}">{html.escape(c)}</{tag}>' for c, k in pairs) + "</tr>"

        body = "\n".join(line(row, "td") for row in rows)
        table = f'<div class="wide"><table class="list"><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table>'
        self._parts.append(_folded(table + "</div>", folded))

    def pictures(self, pictures: Sequence[tuple[str, np.ndarray]]) -> None:
        """Captions with (H, W, 3) uint8 RGB: wide ones in rows of their own, others side by side where there is room.

        Raises:
            ValueError: a picture of the wrong shape or type.
        """
        row: list[str] = []
        for caption, picture in pictures:
            text = html.escape(caption)
            size = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
            image = f'<img src="{_data_url(picture)}" alt="{text}" {size}>'
            figure = f"<figure>{image}<figcaption>{text}</figcaption></figure>"
            if picture.shape[1] < 1000:
                row.append(figure)
            else:
                self._flush(row)
                self._parts.append(figure)
        self._flush(row)

    def _flush(self, row: list[str]) -> None:
        if row:
            self._parts.append(f'<div class="pair">{"".join(row)}</div>')
            row.clear()

    def charts(self, figures: Sequence[tuple[str, Any]], height_px: int = 380) -> None:
        """Captions with plotly figures; several stand side by side where there is room."""
        self._has_charts = self._has_charts or bool(figures)
        blocks = [
            f"<figure>{figure_as_html(figure, height_px)}<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, figure in figures
        ]
        kind = "pair" if len(blocks) > 1 else "single"
        self._parts.append(f'<div class="{kind}">{"".join(blocks)}</div>')

    def write(self, path: Path, footer: str = "") -> Path:
        """Write the page, whole or not at all.

        Args:
            footer: how it was made, for example the command.
        """
        with atomic_path(Path(path)) as temporary:
            # Names of files need not be UTF-8.
            temporary.write_bytes(self.as_html(footer).encode("utf-8", "backslashreplace"))
        return Path(path)

    def as_html(self, footer: str = "") -> str:
        """The whole page."""
        title, kind = html.escape(self.title), "" if self.success else "failed"
        parts = [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(SECURITY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style>",
            plotly_script() if self._has_charts else "",
            f'</head><body class="{kind}"><h1>{title}</h1>',
            f'<p class="statement">{html.escape(self.statement)}</p>',
            *self._parts,
            f"<footer>{html.escape(footer)}</footer>" if footer else "",
            f"<script>{SCRIPT}</script>" if self._has_charts else "",
            "</body></html>\n",
        ]
        return "\n".join(parts)


def as_text(value: object) -> str:
    """A value as it stands in a table: nothing for None, six digits for a float."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {as_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return "  ".join(as_text(item) for item in value)
    return "none" if value is None else str(value)


def _folded(content: str, line: str) -> str:
    return f"<details><summary>{html.escape(line)}</summary>{content}</details>" if line else content


def _data_url(picture: np.ndarray) -> str:
    """As JPEG: a photo is a tenth as large as in PNG, and the lines over it stay sharp without chroma subsampling."""
    buffer = io.BytesIO()
    image = Image.fromarray(check_image("picture", picture))
    image.save(buffer, format="JPEG", quality=86, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

"""One HTML page that holds everything: the pose in words, numbers, pictures and, where wanted, a 3-D scene."""

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
from mickey_hloc.visualization.scene3d import scene_as_html

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1400px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.statement { font-size: 1.1rem; border-left: 5px solid #009E73; padding: .4rem 1rem; white-space: pre-line; }
.failed .statement { border-color: #D55E00; }
table { border-collapse: collapse; } td, th { padding: .25rem 1rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 500; opacity: .75; } td { font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; border: 1px solid #8884; }
figcaption { opacity: .75; font-size: .92rem; } footer { margin-top: 3rem; opacity: .6; font-size: .85rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 0 1rem; }
"""


def write_report(
    path: Path,
    title: str,
    statement: str,
    numbers: Mapping[str, object],
    pictures: Sequence[tuple[str, np.ndarray]] = (),
    scene: Any | None = None,
    success: bool = True,
    footer: str = "",
) -> Path:
    """Write one self-contained page: it can be sent by mail and needs no network.

    Args:
        path: the .html file, written whole or not at all.
        title: of the page.
        statement: the result in words; line breaks are kept.
        numbers: by name; floats are printed with six digits, sequences and mappings in one row.
        pictures: captions with (H, W, 3) uint8 RGB.
        scene: a plotly figure, see ``scene3d``.
        success: False marks the page as a failure.
        footer: how it was made, for example the command.

    Raises:
        ValueError: a picture of the wrong shape or type.
    """
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head>",
        f'<body class="{"" if success else "failed"}"><h1>{html.escape(title)}</h1>',
        f'<p class="statement">{html.escape(statement)}</p>',
        _table(numbers),
        _gallery(pictures),
    ]
    if scene is not None:
        parts.append(f"<h2>Scene</h2>{scene_as_html(scene)}")
    if footer:
        parts.append(f"<footer>{html.escape(footer)}</footer>")
    parts.append("</body></html>\n")
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")
    return Path(path)


def _table(numbers: Mapping[str, object]) -> str:
    if not numbers:
        return ""
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_text(value))}</td></tr>"
        for name, value in numbers.items()
    )
    return f"<h2>Numbers</h2><table>{rows}</table>"


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return "  ".join(_text(item) for item in value)
    return "none" if value is None else str(value)


def _gallery(pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    """Wide pictures in rows of their own, others side by side where the window has room."""
    if not pictures:
        return ""
    parts, narrow = ["<h2>Pictures</h2>"], False
    for caption, picture in pictures:
        is_narrow = picture.shape[1] < 1000
        if is_narrow != narrow:
            parts.append('<div class="pair">' if is_narrow else "</div>")
        narrow = is_narrow
        text = html.escape(caption)
        parts.append(f'<figure><img src="{_data_url(picture)}" alt="{text}"><figcaption>{text}</figcaption></figure>')
    return "".join(parts) + ("</div>" if narrow else "")


def _data_url(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(check_image("picture", picture)).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

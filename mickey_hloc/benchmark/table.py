"""The table of a grid: measured figures, the paper's beside them, and why rows have none."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mickey_hloc.benchmark.runner import Outcome
from mickey_hloc.evaluation.report import write_text
from mickey_hloc.evaluation.tables import Column, Row, Style, format_cell, format_table, newer_rows

LABELS = (Column("method", "method"), Column("depth", "depth"), Column("solver", "solver"))
TIME = Column("matching_time_ms", "matching [ms]", ".1f")
FAILURES = Column("failures", "failures", "d")
NOTE = Column("note", "note")
ENDINGS: dict[Style, str] = {"text": "txt", "markdown": "md", "csv": "csv", "json": "json"}
PAPER = "_paper"  # the end of the keys of the paper's figures

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e6e6e6; } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1rem; background: var(--paper); color: var(--ink); }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .45rem; border-bottom: 1px solid #8884; text-align: right; vertical-align: bottom; }
td { white-space: nowrap; } th.text, td.text { text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); white-space: normal;
  overflow-wrap: anywhere; min-width: 7rem; max-width: 40vw; padding-left: 0; }
td.paper, th.paper { color: #808080; } td.best { font-weight: 700; }
tr.failed td { opacity: .7; }
footer { margin-top: 1.5rem; opacity: .7; }
"""


def table_rows(outcomes: Iterable[Outcome], figures: Mapping[tuple[str, str], Mapping[str, float]]) -> list[Row]:
    """A row each; the paper's figures under the keys of the measured ones with ``_paper`` at the end."""
    rows: list[Row] = []
    for outcome in outcomes:
        row: dict[str, str | float | None] = dict(zip(("method", "depth", "solver"), outcome.labels, strict=True))
        row |= {key: value for key, value in outcome.numbers.items() if key != "method"}
        row[TIME.key] = outcome.matching_ms
        row[NOTE.key] = outcome.reason
        row |= {key + PAPER: value for key, value in figures.get(outcome.paper, {}).items()}
        rows.append(row)
    return rows


def published_rows(dataset: str) -> tuple[list[Row], list[str]]:
    """Rows of what others published since the paper, and a note that names their sources.

    Args:
        dataset: see ``evaluation.tables.newer_rows``.
    """
    found = newer_rows(dataset)
    rows: list[Row] = [
        {"method": f"published: {row['method']}"}
        | {key + PAPER: value for key, value in row.items() if key not in ("method", "source")}
        for row in found
    ]
    told = "; ".join(f"{row['method']}: {row['source']}" for row in found)
    return rows, [f"Published by others, measured by them. {told}."] if found else []


def table_columns(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """The benchmark's columns, each with the paper's beside it where any row has one; empty ones are left out."""
    chosen = [column for column in LABELS if any(row.get(column.key) for row in rows)]
    for column in (*columns, TIME, FAILURES):
        paper = Column(column.key + PAPER, "paper", column.format)
        is_measured, is_reported = (any(row.get(c.key) is not None for row in rows) for c in (column, paper))
        chosen += [column] if is_measured or is_reported else []
        chosen += [paper] if is_reported else []
    return [*chosen, NOTE] if any(row.get(NOTE.key) for row in rows) else chosen


def write_tables(
    folder: Path, name: str, title: str, rows: Sequence[Row], columns: Sequence[Column], notes: Sequence[str]
) -> dict[Style, str]:
    """Write ``<name>.txt``, ``.md``, ``.csv``, ``.json`` and ``.html``.

    Returns:
        The texts by style, all but the html.
    """
    numbered, failures = with_numbered_notes(rows)
    below = "\n".join([*failures, *notes])
    texts: dict[Style, str] = {
        "text": f"{format_table(numbered, columns)}\n{below}\n",
        "markdown": f"{format_table(numbered, columns, 'markdown')}\n" + below.replace("\n", "  \n") + "\n",
        "csv": format_table(rows, columns, "csv"),
        "json": format_table(rows, columns, "json"),
    }
    for style, text in texts.items():
        write_text(folder / f"{name}.{ENDINGS[style]}", text)
    write_text(folder / f"{name}.html", table_as_html(title, numbered, columns, [*failures, *notes]))
    return texts


def with_numbered_notes(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Notes as numbers, so that a table stays readable as text, and the notes themselves, each once."""
    notes = list(dict.fromkeys(str(row[NOTE.key]) for row in rows if row.get(NOTE.key)))
    return [
        {**row, NOTE.key: f"failed [{notes.index(str(row[NOTE.key])) + 1}]" if row.get(NOTE.key) else ""}
        for row in rows
    ], [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]


LARGER_IS_BETTER = ("auc", "precision", "within", "estimates")


def table_as_html(title: str, rows: Sequence[Row], columns: Sequence[Column], notes: Sequence[str] = ()) -> str:
    """A self-contained page; the best measured figure of each column is bold."""
    best = {column.key: _best(column, rows) for column in columns}
    head = "".join(f'<th class="{_kind(column)}">{html.escape(column.title)}</th>' for column in columns)
    body = []
    for row in rows:
        cells = []
        for column in columns:
            value = row.get(column.key)
            kind = _kind(column) + (" best" if value is not None and value == best[column.key] else "")
            cells.append(f'<td class="{kind}">{html.escape(format_cell(value, column))}</td>')
        body.append(f'<tr class="{"failed" if row.get(NOTE.key) else ""}">{"".join(cells)}</tr>')
    footer = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(body)
        + "\n</tbody></table></div>\n"
        f"<footer>{footer}</footer></body></html>\n"
    )


def _kind(column: Column) -> str:
    return "text" if not column.format else "paper" if column.key.endswith(PAPER) else "number"


def _best(column: Column, rows: Sequence[Row]) -> float | None:
    values = [value for row in rows if isinstance(value := row.get(column.key), (int, float))]
    if not values or not column.format or column.key.endswith(PAPER):
        return None
    larger = any(word in column.key for word in LARGER_IS_BETTER)
    return max(values) if larger else min(values)

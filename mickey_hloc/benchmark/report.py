"""``--report`` of the benchmarks: one page with the table, curves, reliability, pictures of pairs, failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mickey_hloc import __version__
from mickey_hloc.benchmark.pair_pictures import Pictures, chosen_pairs, error_of
from mickey_hloc.confidence.reliability import expected_calibration_error, reliability_diagram
from mickey_hloc.evaluation.metrics import precision_recall
from mickey_hloc.evaluation.scored_pairs import ScoredPair
from mickey_hloc.evaluation.tables import Column, Row, format_cell, newer_rows, paper_rows
from mickey_hloc.visualization import Page
from mickey_hloc.visualization.charts import cumulative_chart, precision_recall_chart, reliability_chart

Draw = Callable[[Sequence[ScoredPair]], Pictures]
PAPER = "MicKey, CVPR 2024, tables 1 and 2"
MAX_FAILURES = 200  # named in the page; the poses files name all


@dataclass(frozen=True)
class BenchmarkPage:
    """What a page is made from.

    Attributes:
        title: of the page.
        criterion: what the benchmark counts as right, in words.
        columns, rows: of the table of what was measured.
        methods: the pairs of each method by its name; the first is shown pair by pair.
        published: the data set whose published figures stand beside, as ``paper_rows`` knows it; empty: none.
        draw: pictures of pairs of the first method. None: there are none.
        vcre_limit_px: where right begins, for the chart of VCRE; None: the benchmark has no VCRE.
        notes: below the table.
        command: how the page was made.
    """

    title: str
    criterion: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    methods: Mapping[str, Sequence[ScoredPair]]
    published: str = ""
    draw: Draw | None = None
    vcre_limit_px: float | None = None
    notes: Sequence[str] = field(default_factory=list)
    command: str = ""


def write_benchmark_page(path: Path, content: BenchmarkPage) -> Path:
    """Write the page."""
    page = Page(content.title, _statement(content), any(content.methods.values()))
    _table(page, "Measured", content.rows, content.columns)
    for note in content.notes:
        page.text(note)
    if content.published:
        of_paper = [{**row, "source": PAPER} for row in paper_rows(content.published)]
        published = [*of_paper, *newer_rows(content.published)]
        _table(page, "Published", published, [*content.columns, Column("source", "source")])
        page.text(
            "The published figures are of their own data and their own frames: a comparison of size, not of tenths."
        )
    methods = {name: pairs for name, pairs in content.methods.items() if pairs}
    if methods:
        _charts(page, content, methods)
        name, pairs = next(iter(methods.items()))
        _pairs(page, content, name, pairs)
    return page.write(path, f"mickey-hloc {__version__}. {content.command}".strip())


def _statement(content: BenchmarkPage) -> str:
    lines = []
    for name, pairs in content.methods.items():
        if not pairs:
            lines.append(f"{name}: no figures, see the table.")
            continue
        right, failed = sum(pair.right for pair in pairs), sum(bool(pair.reason) for pair in pairs)
        line = f"{name}: {right} of {len(pairs)} right ({right / len(pairs):.0%}; {content.criterion})"
        lines.append(line + (f", {failed} without an estimate." if failed else ", every one with an estimate."))
    return "\n".join(lines)


def _table(page: Page, title: str, rows: Sequence[Row], columns: Sequence[Column]) -> None:
    shown = [column for column in columns if any(row.get(column.key) not in (None, "") for row in rows)]
    if rows and shown:
        page.heading(title)
        cells = [[format_cell(row.get(column.key), column) for column in shown] for row in rows]
        page.table([column.title for column in shown], cells, [bool(column.format) for column in shown])


def _charts(page: Page, content: BenchmarkPage, methods: Mapping[str, Sequence[ScoredPair]]) -> None:
    page.heading("Curves")
    translation = {name: np.array([pair.translation_m for pair in pairs]) for name, pairs in methods.items()}
    rotation = {name: np.array([pair.rotation_deg for pair in pairs]) for name, pairs in methods.items()}
    charts = [
        ("Higher and further left is better.", cumulative_chart(translation, "translation error (m)", 1.0)),
        ("Higher and further left is better.", cumulative_chart(rotation, "rotation error (degrees)", 30.0)),
    ]
    limit = content.vcre_limit_px
    if limit is not None:
        vcre = {name: np.array([pair.vcre_px for pair in pairs]) for name, pairs in methods.items()}
        chart = cumulative_chart(vcre, "VCRE (pixels)", 3 * limit, limit)
        charts.insert(0, ("Dashed: where right ends.", chart))
    confident = {name: found for name, pairs in methods.items() if (found := _judged(pairs))}
    if confident:
        curves = {}
        for name, pairs in confident.items():
            right, confidence = _arrays(pairs)
            curves[name] = precision_recall(right, confidence, len(methods[name]) - len(pairs))
        text = "What is right among the poses that are kept when only the most confident ones are."
        charts.append((text, precision_recall_chart(curves, content.criterion)))
        name, pairs = next(iter(confident.items()))
        right, confidence = _arrays(pairs)
        if confidence.max() <= 1:
            error = expected_calibration_error(confidence, right)
            text = f"{name}: on the dashed line confidence is honest; the mean distance from it is {error:.3f}."
            charts.append((text, reliability_chart(reliability_diagram(confidence, right))))
    page.charts(charts)


def _pairs(page: Page, content: BenchmarkPage, name: str, pairs: Sequence[ScoredPair]) -> None:
    if content.draw is not None:
        for title, chosen in chosen_pairs(pairs).items():
            pictures = content.draw(chosen)
            if pictures:
                page.heading(f"{title} pairs of {name}")
                page.pictures(pictures)
    failures = [pair for pair in pairs if pair.reason]
    if failures:
        page.heading(f"Without an estimate: {len(failures)} of {name}")
        rows = [[*pair.pair, pair.reason] for pair in failures[:MAX_FAILURES]]
        page.table(["reference", "query", "reason"], rows)
    found = sorted((pair for pair in pairs if not pair.reason), key=error_of)
    page.heading("Every pair")
    head = ["query", "reference", "translation (m)", "rotation (deg)", "VCRE (px)", "confidence", "right"]
    rows = [
        [
            *(pair.pair[1], pair.pair[0], f"{pair.translation_m:.3f}", f"{pair.rotation_deg:.2f}"),
            *("" if np.isnan(value) else f"{value:{spec}}" for value, spec in _more(pair)),
            "yes" if pair.right else "no",
        ]
        for pair in found
    ]
    page.table(
        head, rows, [False, False, True, True, True, True, False], f"{len(rows)} estimates of {name}, best first"
    )


def _more(pair: ScoredPair) -> list[tuple[float, str]]:
    return [(pair.vcre_px, ".1f"), (pair.confidence, ".3f")]


def _judged(pairs: Sequence[ScoredPair]) -> list[ScoredPair]:
    return [pair for pair in pairs if not pair.reason and not np.isnan(pair.confidence)]


def _arrays(pairs: Sequence[ScoredPair]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([pair.right for pair in pairs]), np.array([pair.confidence for pair in pairs])

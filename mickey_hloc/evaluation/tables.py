"""Tables of results: measured rows and, on request, those that the paper reports, as text, markdown, csv or json."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

Style = Literal["text", "markdown", "csv", "json"]
STYLES: tuple[Style, ...] = ("text", "markdown", "csv", "json")
Row = Mapping[str, str | float | None]


@dataclass(frozen=True)
class Column:
    """A column: the key in the rows, the title with its unit, and how a number is written."""

    key: str
    title: str
    format: str = ""


# A key has one meaning in all tables. ``median_*`` is of all pairs or queries, a failure being infinitely wrong;
# ``average_median_*`` is Map-free's published figure, the mean over scenes of the median of each scene's estimates.
MAPFREE_COLUMNS = (
    Column("method", "method"),
    Column("vcre_auc", "VCRE AUC", ".3f"),
    Column("vcre_precision_pct", "VCRE < 90 px [%]", ".1f"),
    Column("average_median_vcre_px", "avg. med. VCRE [px]", ".1f"),
    Column("pose_auc", "pose AUC", ".3f"),
    Column("pose_precision_pct", "25 cm, 5 deg [%]", ".1f"),
    Column("average_median_translation_m", "avg. med. t [m]", ".3f"),
    Column("average_median_rotation_deg", "avg. med. R [deg]", ".2f"),
    Column("estimates_pct", "estimates [%]", ".1f"),
)
SCANNET_COLUMNS = (
    Column("method", "method"),
    Column("vcre_auc", "VCRE AUC", ".3f"),
    Column("vcre_precision_pct", "VCRE < 10 % [%]", ".1f"),
    Column("median_translation_m", "med. t [m]", ".3f"),
    Column("median_rotation_deg", "med. R [deg]", ".2f"),
    Column("auc5", "AUC@5", ".3f"),
    Column("auc10", "AUC@10", ".3f"),
    Column("auc20", "AUC@20", ".3f"),
    Column("within_0.1m_5deg_pct", "0.1 m, 5 deg [%]", ".1f"),
    Column("within_0.25m_5deg_pct", "0.25 m, 5 deg [%]", ".1f"),
    Column("within_0.5m_10deg_pct", "0.5 m, 10 deg [%]", ".1f"),
    Column("within_1m_20deg_pct", "1 m, 20 deg [%]", ".1f"),
    Column("estimates_pct", "estimates [%]", ".1f"),
)
SEVENSCENES_COLUMNS = (
    Column("method", "method"),
    Column("median_translation_m", "med. t [m]", ".3f"),
    Column("median_rotation_deg", "med. R [deg]", ".3f"),
    Column("within_5cm_5deg_pct", "5 cm, 5 deg [%]", ".2f"),
    Column("estimates_pct", "estimates [%]", ".1f"),
)


def format_table(rows: Sequence[Row], columns: Sequence[Column], style: Style = "text") -> str:
    """A table that ends in a line break.

    Args:
        rows: values by column key; what a row lacks is left empty.
        columns: which, in this order. json has all keys of the rows in full precision, see ``json_value``.
        style: text and markdown round the numbers, csv and json do not.
    """
    if style == "json":
        plain = [{key: json_value(value) for key, value in row.items()} for row in rows]
        return json.dumps(plain, indent=1, allow_nan=False) + "\n"
    if style == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in columns])
        writer.writerows([["" if (v := row.get(column.key)) is None else v for column in columns] for row in rows])
        return out.getvalue()
    cells = [[column.title for column in columns]]
    cells += [[format_cell(row.get(column.key), column) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    is_text = [not column.format for column in columns]
    padded = [
        [
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, is_text, strict=True)
        ]
        for line in cells
    ]
    rule = ["-" * width if left else "-" * (width - 1) + ":" for width, left in zip(widths, is_text, strict=True)]
    if style == "markdown":
        return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])
    lines = [padded[0], ["-" * width for width in widths], *padded[1:]]
    return "".join("  ".join(line).rstrip() + "\n" for line in lines)


def json_value(value: str | float | None) -> str | float | None:
    """A value as json can have it: an infinite one as the text "inf", as in the other styles, and NaN as null.

    So null says that there is no figure, and "inf" that there is one; ``float`` reads it.
    """
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def format_cell(value: str | float | None, column: Column) -> str:
    """A value as text: a number with the column's format, nothing as an empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else format(value, column.format)


def paper_rows(dataset: str) -> list[Row]:
    """What the paper reports (tables 1 and 2), with the keys of our columns.

    Source: Barroso-Laguna et al., "Matching 2D Images in 3D: Metric Relative Pose from Metric Correspondences", 2024.

    Args:
        dataset: ``mapfree-test`` or ``scannet-1500``.
    """
    text = resources.files("mickey_hloc.evaluation").joinpath("paper_tables.csv").read_text(encoding="utf-8")
    rows: list[Row] = []
    for line in csv.DictReader(io.StringIO(text)):
        if line["dataset"] != dataset or line["table"] == "3":  # table 3 repeats rows of table 1 for other depths
            continue
        with_depth = f" ({line['depth']} depth)" if line["depth"] not in ("", "MicKey") else ""
        row: dict[str, str | float | None] = {"method": f"paper: {line['method']}{with_depth}"}
        for key, value in line.items():
            if key not in ("table", "dataset", "supervision", "method", "depth"):
                row[key] = float(value) if value else None
        rows.append(row)
    return rows


def newer_rows(dataset: str) -> list[Row]:
    """What papers after MicKey report, with the keys of our columns and their ``source``.

    Args:
        dataset: ``mapfree-test``: Map-free, also its other splits, which the method's name then says; others have none.
    """
    text = resources.files("mickey_hloc.evaluation").joinpath("newer_results.csv").read_text(encoding="utf-8")
    rows: list[Row] = []
    for line in csv.DictReader(io.StringIO(text)):
        name, _, split = line["dataset"].partition("-")
        if dataset != f"{name}-test":
            continue
        where = "" if split == "test" else f", {split}" if split == "val" else f", split {split}"
        row: dict[str, str | float | None] = {"method": f"{line['method']} ({line['depth']} depth{where})"}
        for key, value in line.items():
            if key not in ("dataset", "method", "depth", "source"):
                row[key] = float(value) if value else None
        rows.append({**row, "source": line["source"]})
    return rows

"""Tables in every style, and what the paper reports."""

import csv
import io
import json
import math

import pytest

from mickey_hloc.evaluation.report import as_json
from mickey_hloc.evaluation.tables import (
    MAPFREE_COLUMNS,
    SCANNET_COLUMNS,
    SEVENSCENES_COLUMNS,
    Column,
    format_table,
    paper_rows,
)

COLUMNS = (Column("method", "method"), Column("x", "x [m]", ".2f"))
ROWS = [{"method": "a", "x": 1.23456}, {"method": "long name", "x": None}]


def test_text_and_markdown_are_aligned():
    assert format_table(ROWS, COLUMNS) == ("method     x [m]\n---------  -----\na           1.23\nlong name\n")
    lines = format_table(ROWS, COLUMNS, "markdown").splitlines()
    assert lines[1] == "| --------- | ----: |"
    assert len({len(line) for line in lines}) == 1


def test_csv_and_json_keep_all_digits():
    rows = list(csv.DictReader(io.StringIO(format_table(ROWS, COLUMNS, "csv"))))
    assert rows == [{"method": "a", "x": "1.23456"}, {"method": "long name", "x": ""}]
    assert json.loads(format_table(ROWS, COLUMNS, "json")) == ROWS


def strict_json(text):
    """What a parser makes of it that knows no NaN and no Infinity, as most do."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no json")

    return json.loads(text, parse_constant=refuse)


def test_an_infinite_median_is_inf_in_every_style_and_json_stays_valid():
    rows = [{"method": "a", "x": math.inf}, {"method": "b", "x": math.nan}, {"method": "c", "x": 1.0}]
    assert format_table(rows, COLUMNS).splitlines()[2] == "a         inf"
    assert "|   inf |" in format_table(rows, COLUMNS, "markdown")
    assert format_table(rows, COLUMNS, "csv").splitlines()[1] == "a,inf"
    values = [row["x"] for row in strict_json(format_table(rows, COLUMNS, "json"))]
    assert values == ["inf", None, 1.0]  # null: there is no figure
    assert float(values[0]) == math.inf
    assert strict_json(as_json(rows[0])) == {"method": "a", "x": "inf"}
    assert strict_json(as_json(rows[1])) == {"method": "b", "x": None}


def test_one_key_has_one_meaning():
    """Map-free's published medians leave failures out, so they have names of their own."""
    mapfree, scannet, sevenscenes = (
        {column.key for column in columns if "median" in column.key}
        for columns in (MAPFREE_COLUMNS, SCANNET_COLUMNS, SEVENSCENES_COLUMNS)
    )
    assert mapfree == {f"average_median_{what}" for what in ("vcre_px", "translation_m", "rotation_deg")}
    assert scannet == sevenscenes == {"median_translation_m", "median_rotation_deg"}
    for dataset, other in (("mapfree-test", scannet), ("scannet-1500", mapfree)):
        assert all(row[key] is None for row in paper_rows(dataset) for key in other)


@pytest.mark.parametrize(
    ("dataset", "columns", "median"),
    [("mapfree-test", MAPFREE_COLUMNS, "average_median"), ("scannet-1500", SCANNET_COLUMNS, "median")],
)
def test_paper_rows_fit_the_columns(dataset, columns, median):
    rows = paper_rows(dataset)
    names = [row["method"] for row in rows]
    assert len(names) == len(set(zip(names, [row[f"{median}_translation_m"] for row in rows], strict=True)))
    assert any("MicKey" in name for name in names)
    assert all(row["vcre_auc"] is not None and 0 < row["vcre_auc"] <= 1 for row in rows)
    keys = {column.key for column in columns}
    assert {"vcre_auc", "vcre_precision_pct", f"{median}_translation_m", f"{median}_rotation_deg"} <= keys & set(
        rows[0]
    )
    table = format_table(rows, columns)
    assert len(table.splitlines()) == len(rows) + 2

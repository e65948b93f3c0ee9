"""Tables in every style, and what the paper reports."""

import csv
import io
import json

import pytest

from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, SCANNET_COLUMNS, Column, format_table, paper_rows

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


@pytest.mark.parametrize(("dataset", "columns"), [("mapfree-test", MAPFREE_COLUMNS), ("scannet-1500", SCANNET_COLUMNS)])
def test_paper_rows_fit_the_columns(dataset, columns):
    rows = paper_rows(dataset)
    names = [row["method"] for row in rows]
    assert len(names) == len(set(zip(names, [row["median_translation_m"] for row in rows], strict=True)))
    assert any("MicKey" in name for name in names)
    assert all(row["vcre_auc"] is not None and 0 < row["vcre_auc"] <= 1 for row in rows)
    keys = {column.key for column in columns}
    assert {"vcre_auc", "vcre_precision_pct", "median_translation_m", "median_rotation_deg"} <= keys & set(rows[0])
    table = format_table(rows, columns)
    assert len(table.splitlines()) == len(rows) + 2

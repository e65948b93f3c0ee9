"""``mickey-hloc benchmark grid``: a table with the paper's figures; a failing combination costs its own row only."""

import csv
import io
import json
import multiprocessing
import os
from pathlib import Path

import pytest
import yaml
from support.rendered_scenes import change_times
from support.stub_host import importable_stub_host

from mickey_hloc.benchmark.benches import paper_figures
from mickey_hloc.benchmark.grid import combinations, read_grid
from mickey_hloc.benchmark.runner import Outcome, Step, _run_stage
from mickey_hloc.benchmark.table import published_rows, table_columns, table_rows
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS
from mickey_hloc.features.sift import SiftExtractor

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "ablation"
GRID = {
    "title": "a <test>",
    "track": "all",
    "paper_table": 1,
    "timing_pairs": 1,
    "methods": {
        "SIFT": {"feature": "sift", "matcher": "nn-ratio"},
        "no weights": {"feature": "mickey", "weights": "no_such.ckpt", "depths": ["own"], "solvers": ["probabilistic"]},
        "same": {"feature": "corners", "matcher": "broken", "solvers": ["pnp"], "depths": ["DPT"]},
        "weightless": {"feature": "corners", "matcher": "weightless", "solvers": ["pnp"], "depths": ["DPT"]},
        "unknown": {"feature": "sift", "matcher": "no-such", "solvers": ["pnp"], "depths": ["DPT"]},
    },
    "depths": {"DPT": "png:sensor", "absent": {"source": "png:absent"}, "constant": "constant:2"},
    "solvers": {"procrustes": {}, "probabilistic": {}, "pnp": {}, "fine": {"solver": "procrustes", "refine": True}},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with importable_stub_host(tmp_path_factory.mktemp("host"), "stubhloc2") as name:
        yield name


def write_grid(path, **changes):
    path.write_text(yaml.safe_dump({**GRID, **changes}))
    return path


@pytest.fixture(scope="module")
def finished(benchmark, rendered, host, tmp_path_factory):
    """Outputs of the whole grid."""
    folder = tmp_path_factory.mktemp("grid")
    grid = write_grid(folder / "grid.yaml")
    run = [str(grid), "--dataset", str(rendered), "--output", str(folder / "out"), "--hloc", host]
    assert benchmark("grid", *run) == 0
    return folder, run


def rows_of(folder):
    return list(csv.DictReader(io.StringIO((folder / "out" / "grid.csv").read_text())))


def test_every_combination_is_a_row_with_figures_or_a_reason(finished):
    folder, _ = finished
    rows = {(row["method"], row["depth"], row["solver"]): row for row in rows_of(folder)}
    assert len(rows) == 3 * 4 + 4
    for solver in GRID["solvers"]:
        row = rows["SIFT", "DPT", solver]
        assert float(row["vcre_precision_pct"]) == 100.0
        assert float(row["average_median_translation_m"]) < 0.03
        assert float(row["estimates_pct"]) == 100.0
        assert int(row["failures"]) == 0
        assert float(row["matching_time_ms"]) > 0
        assert row["note"] == ""
        assert "No depth file for image" in rows["SIFT", "absent", solver]["note"]
        assert rows["SIFT", "absent", solver]["vcre_auc"] == ""
    assert "no_such.ckpt" in rows["no weights", "own", "probabilistic"]["note"]
    assert "https://example.org/weights/disk_lightglue.pth" in rows["weightless", "DPT", "pnp"]["note"]
    assert "nn-ratio" in rows["unknown", "DPT", "pnp"]["note"]


def test_a_bug_of_a_method_is_a_row_too_and_its_story_is_kept(finished):
    folder, _ = finished
    note = next(row["note"] for row in rows_of(folder) if row["method"] == "same")
    assert note.startswith("KeyError: 'a bug of somebody' (see ")
    log = Path(note.removesuffix(").").rpartition("(see ")[2])
    assert "Traceback" in log.read_text()


def test_the_papers_figures_stand_beside(finished):
    folder, _ = finished
    for row in rows_of(folder):
        is_reported = row["method"] == "SIFT" and row["depth"] == "DPT"
        assert row["vcre_auc_paper"] == ("0.5" if is_reported else "")
        assert row["matching_time_ms_paper"] == ("157.6" if is_reported else "")


def test_all_styles_say_the_same(finished):
    folder, _ = finished
    text, markdown, page = ((folder / "out" / f"grid.{ending}").read_text() for ending in ("txt", "md", "html"))
    rows = json.loads((folder / "out" / "grid.json").read_text())
    auc = f"{max(row['vcre_auc'] for row in rows if 'vcre_auc' in row):.3f}"
    for table in (text, markdown, page):
        assert auc in table
        assert "example.org" in table
        assert "VCRE AUC" in table
    assert text.count("failed [") == markdown.count("failed [") == sum(bool(row["note"]) for row in rows)
    assert "<title>a &lt;test&gt;</title>" in page
    assert page.count("<tr") == len(rows) + 1
    assert 'class="number best"' in page


def test_a_finished_grid_does_nothing_and_gives_the_same_table(benchmark, finished, monkeypatch):
    folder, run = finished
    before, table = change_times(folder / "out"), (folder / "out" / "grid.csv").read_text()
    monkeypatch.setattr(SiftExtractor, "extract", lambda *_: pytest.fail("a finished step ran again"))
    assert benchmark("grid", *run) == 0
    after = change_times(folder / "out")
    steps = [path for path in before if path.endswith((".h5", "images.json")) or path.startswith("val/timing")]
    assert {path: after[path] for path in steps} == {path: before[path] for path in steps}
    assert (folder / "out" / "grid.csv").read_text() == table


def test_a_part_of_the_grid_and_submissions_of_others(benchmark, finished, rendered, capsys):
    folder, run = finished
    zip_path = next((folder / "out").rglob("submission.zip"))
    others = ["--submission", f"net={zip_path}", f"absent={folder / 'absent.zip'}"]
    assert benchmark("grid", *run, "--methods", "SIFT", "--format", "csv", *others) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["method"] for row in rows} == {"SIFT", "net", "absent"}
    net = next(row for row in rows if row["method"] == "net")
    assert float(net["vcre_precision_pct"]) == 100.0
    assert "absent.zip" in next(row["note"] for row in rows if row["method"] == "absent")
    assert benchmark("grid", *run, "--methods", "SFIT") == 2
    assert "did you mean 'SIFT'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sed": 1}, "Unknown option 'sed'"),
        ({"methods": {}}, "needs at least 'methods'"),
        ({"methods": {"a": {"feature": "sift", "mather": "x"}}}, "'mather'"),
        ({"methods": {"a": {"feature": "sift", "depths": ["sensor"]}}}, "sensor"),
        ({"methods": {"a": {"feature": "sift", "solvers": ["epnp"]}}}, "epnp"),
        ({"methods": {"a": "sift"}}, "'key: value'"),
        ({"depths": {"a": {"paper": "DPT"}}}, "'source' is missing"),
        ({"benchmark": "kitti"}, "mapfree"),
        ({"track": "double"}, "single"),
        ({"timing_pairs": -1}, "timing_pairs"),
    ],
)
def test_grids_are_strict(tmp_path, changes, message):
    with pytest.raises(InputError, match="(?s)" + message.replace("[", r"\[")) as caught:
        read_grid(write_grid(tmp_path / "grid.yaml", **changes))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_grid(tmp_path, benchmark, capsys):
    (tmp_path / "grid.yaml").write_text("methods: [unclosed")
    assert benchmark("grid", str(tmp_path / "grid.yaml"), "--output", str(tmp_path)) == 2
    assert "grid.yaml is no yaml" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_grids_of_the_project_are_valid_and_their_paper_rows_exist(path):
    grid = read_grid(path)
    rows = combinations(grid)
    assert rows
    if grid.paper_table is None:
        return
    figures = paper_figures(grid.paper_table)
    reported = {row.paper for row in rows} | {(entry.paper or label, "") for label, entry in grid.submissions.items()}
    plain = {key for key in figures if not key[0].endswith(")")}
    covered = {next((k for k in plain if figures[k] is figures[key]), key) for key in reported if key in figures}
    assert plain <= covered | {("MicKey-O", "MicKey")}  # its weights were not published


def test_the_paper_has_three_tables():
    with pytest.raises(InputError, match="paper_table is 4"):
        paper_figures(4)
    assert paper_figures(None) == {}
    assert paper_figures(2)["RPR [3D-3D] (pose)", ""]["vcre_auc"] == 0.78


def test_columns_without_any_figure_are_left_out():
    outcome = Outcome(("a", "", ""), ("a", ""), numbers={"vcre_auc": 0.5, "failures": 0})
    rows = table_rows([outcome], {})
    assert [column.key for column in table_columns(MAPFREE_COLUMNS[1:], rows)] == ["method", "vcre_auc", "failures"]


def test_processes_run_the_steps_and_one_that_is_killed_is_a_reason(tmp_path):
    outcomes = [Outcome((name, "", ""), (name, "")) for name in ("good", "bad")]
    _run_stage("square", [Step("good", pow, (2, 2), (outcomes[0],))], 2, tmp_path)
    _run_stage("exit", [Step("bad", os._exit, (1,), (outcomes[1],))] * 2, 2, tmp_path)
    assert outcomes[0].reason == ""
    assert outcomes[1].reason.startswith("BrokenProcessPool: ")
    assert not multiprocessing.active_children()


def test_rows_that_others_published_stand_in_the_papers_columns_with_their_source() -> None:
    rows, notes = published_rows("mapfree-test")
    mast3r = next(row for row in rows if row["method"] == "published: MASt3R (own depth)")
    assert mast3r["vcre_auc_paper"] == 0.933
    assert "vcre_auc" not in mast3r
    assert any("val" in str(row["method"]) for row in rows)
    assert "arXiv 2406.09756" in notes[0]
    assert published_rows("scannet-test") == ([], [])

"""``--report`` of ``benchmark`` and ``poses``: the numbers of the table, the pairs by their errors, the failures."""

import html
import re
import time

import numpy as np
import pytest
import yaml
from PIL import Image

from mickey_hloc.benchmark.pair_pictures import chosen_pairs
from mickey_hloc.benchmark.report import BenchmarkPage, write_benchmark_page
from mickey_hloc.cli import main
from mickey_hloc.evaluation.scored_pairs import ScoredPair
from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, newer_rows
from mickey_hloc.rooms import sample_pair
from mickey_hloc.visualization import draw_matches

pytest.importorskip("plotly")
SIFT = ["--track", "all", "--feature", "sift", "--matcher", "nn-ratio", "--depth", "png:sensor"]


def text_of(path):
    """The words of a page, its scripts left out."""
    content = re.sub(r"<(script|style)>.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\n", content))


def test_the_page_has_the_table_the_failures_and_published_figures(benchmark, own_copy, tmp_path, capsys):
    Image.new("RGB", (320, 240), (90, 90, 90)).save(own_copy / "val/s00002/seq1/frame_00000.jpg")
    report = tmp_path / "new" / "report.html"
    assert benchmark("mapfree", own_copy, "--output", tmp_path / "out", *SIFT, "--report", report) == 0
    printed = capsys.readouterr().out
    words = text_of(report)
    assert "3 of 4 right (75%; VCRE below 90 px), 1 without an estimate." in words
    assert "frame_00000.jpg has no keypoints" in words
    for number in re.findall(r"\d+\.\d+", printed.splitlines()[-1]):
        assert number in words
    for row in newer_rows("mapfree-test"):
        assert row["method"] in words
    assert "paper: MicKey" in words
    assert report.read_text(encoding="utf-8").count("<img ") == 3


def test_the_page_of_a_grid_has_every_row(benchmark, rendered, tmp_path):
    grid = {
        "title": "a <grid>",
        "track": "all",
        "timing_pairs": 0,
        "methods": {"SIFT": {"feature": "sift"}, "gone": {"feature": "no-such"}},
        "depths": {"DPT": "png:sensor"},
        "solvers": {"procrustes": {}, "pnp": {}},
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    arguments = ["--dataset", rendered, "--output", tmp_path / "out", "--report", tmp_path / "r.html"]
    assert benchmark("grid", tmp_path / "grid.yaml", *arguments) == 0
    words = text_of(tmp_path / "r.html")
    assert "a <grid>" in words
    for solver in ("procrustes", "pnp"):
        assert f"SIFT, DPT, {solver}: 4 of 4 right" in words
    assert "[1] " in words
    assert "no-such" in words


def test_best_typical_and_worst_pairs_are_by_error_and_none_is_there_twice():
    pairs = [ScoredPair(("r", str(i)), 0.1, 1.0, float(i), 0.5) for i in np.random.default_rng(0).permutation(20)]
    chosen = chosen_pairs([*pairs, ScoredPair(("r", "failed"), reason="none")])
    names = {kind: [pair.pair[1] for pair in group] for kind, group in chosen.items()}
    assert names == {"Best": ["0", "1", "2"], "Typical": ["9", "10", "11"], "Worst": ["19", "18", "17"]}
    few = chosen_pairs(pairs[:4])
    assert sorted(p.pair for group in few.values() for p in group) == sorted(p.pair for p in pairs[:4])
    assert chosen_pairs([]) == {}


def test_the_page_of_500_pairs_is_small_and_soon_made(tmp_path):
    draw = np.random.default_rng(0)
    errors = np.stack([draw.exponential(scale, 500) for scale in (0.2, 3.0, 60.0)], axis=1).tolist()
    pairs = [
        ScoredPair(
            (f"s{i:05d}/seq0/frame_00000.jpg", f"s{i:05d}/seq1/frame_{i:05d}.jpg"), *errors[i], i / 500, i % 3 > 0
        )
        if i % 10
        else ScoredPair(
            (f"s{i:05d}/seq0/frame_00000.jpg", f"s{i:05d}/seq1/frame_{i:05d}.jpg"), reason="too few matches"
        )
        for i in range(500)
    ]
    photo = sample_pair(3, (640, 480)).view0.image
    ends = draw.uniform(0, 470, (300, 2))

    def pictures(chosen):
        return [(pair.pair[1], draw_matches(photo, photo, ends, ends, np.arange(300) < 200)) for pair in chosen]

    before = time.process_time()
    content = BenchmarkPage(
        "500 pairs",
        "VCRE below 90 px",
        MAPFREE_COLUMNS,
        [{"method": "m", "vcre_auc": 0.5}],
        {"m": pairs},
        published="mapfree-test",
        draw=pictures,
        vcre_limit_px=90.0,
    )
    path = write_benchmark_page(tmp_path / "page.html", content)
    assert time.process_time() - before < 60
    assert path.stat().st_size < 15e6
    words = text_of(path)
    assert path.read_text(encoding="utf-8").count("<img ") == 9
    assert "450 estimates of m, best first" in words
    for chart in (
        "VCRE (pixels)",
        "translation error (m)",
        "rotation error (degrees)",
        "recall",
        "confidence is honest",
    ):
        assert chart in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"), [("page.txt", "ends in .html"), ("folder.html", "is a folder")], ids=["txt", "folder"]
)
def test_a_report_that_cannot_be_written_is_refused_before_the_work(rendered, tmp_path, capsys, name, message):
    (tmp_path / "folder.html").mkdir()
    arguments = ["benchmark", "mapfree", str(rendered), "--output", str(tmp_path / "out"), *SIFT]
    assert main([*arguments, "--report", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_of_a_poses_file(rendered, tmp_path, capsys):
    scene = rendered / "val" / "s00001"
    query = next(line.split()[0] for line in (scene / "poses.txt").read_text().splitlines()[::-1] if line[0] != "#")
    (tmp_path / "pairs.txt").write_text(f"seq0/frame_00000.jpg {query}\nseq0/frame_00000.jpg gone.jpg\n")
    (tmp_path / "images.txt").write_text(f"seq0/frame_00000.jpg\n{query}\n")
    features, matches, report = tmp_path / "f.h5", tmp_path / "m.h5", tmp_path / "report.html"
    extract = ["extract", str(scene), "--image-list", str(tmp_path / "images.txt"), "--feature", "sift"]
    assert main([*extract, "--output", str(features)]) == 0
    assert main(["match", str(tmp_path / "pairs.txt"), "--features", str(features), "--output", str(matches)]) in (0, 1)
    poses = ["poses", str(tmp_path / "pairs.txt"), "--features", str(features), "--matches", str(matches)]
    poses += ["--intrinsics", str(scene), "--images", str(scene), "--depth", "png:sensor"]
    assert main([*poses, "--output", str(tmp_path / "p.txt"), "--report", str(report)]) == 1
    words = text_of(report)
    assert "1 of 2 pairs have a pose." in words
    assert "gone.jpg" in words
    assert "Most confident" in words
    assert report.read_text(encoding="utf-8").count("<img ") == 1
    capsys.readouterr()

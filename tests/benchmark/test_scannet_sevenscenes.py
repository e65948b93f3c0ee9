"""``mickey-hloc benchmark scannet`` and ``sevenscenes``: from rendered images to right tables, nothing done twice."""

import json
import shutil
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.rendered_scenes import change_times, write_scene

from mickey_hloc.datasets.mapfree import read_scene
from mickey_hloc.datasets.sevenscenes import INTRINSICS
from mickey_hloc.depth.export import write_depth_png
from mickey_hloc.features.sift import SiftExtractor
from mickey_hloc.io.poses import read_absolute_poses
from mickey_hloc.rooms import PairOptions, render, sample_pair

SIFT = ["--feature", "sift", "--depth", "png:sensor"]
NAME = "sift-r1600+nn-ratio+sensor+procrustes"


def report_argument(folder: Path) -> list[str]:
    """Where plotly is installed."""
    return ["--report", str(folder / "report.html")] if find_spec("plotly") else []


def check_report(argument: list[str], *words: str) -> None:
    """The page has the words, and a picture of both pairs."""
    if argument:
        text = Path(argument[1]).read_text(encoding="utf-8")
        assert all(word in text for word in words)
        assert text.count("<img ") == 2


@pytest.fixture
def listed(rendered, tmp_path):
    """A list in SuperGlue's format, its intrinsics for images twice as large."""
    lines = []
    for folder in sorted((rendered / "val").iterdir()):
        scene = read_scene(folder)
        for query in scene.frames():
            matrices = []
            for name in ("seq0/frame_00000.jpg", query):
                K = scene.intrinsics[name].K.copy()
                K[:2] *= 2
                K[:2, 2] += 0.5
                matrices.append(K)
            T = np.eye(4)
            T[:3] = np.asarray(scene.poses[query].matrix())
            numbers = " ".join(repr(float(value)) for array in (*matrices, T) for value in array.ravel())
            lines.append(f"{folder.name}/seq0/frame_00000.jpg {folder.name}/{query} 0 0 {numbers}\n")
    path = tmp_path / "pairs.txt"
    path.write_text("".join(lines))
    return path


def test_a_list_of_pairs_from_images_to_the_table(benchmark, rendered, listed, tmp_path, monkeypatch, capsys):
    arguments = ["--pairs", str(listed), "--images", str(rendered / "val"), "--output", str(tmp_path / "out")]
    arguments += ["--intrinsics-size", "640x480", *SIFT]
    run = partial(benchmark, "scannet")
    assert run(*arguments) == 0
    numbers = json.loads((tmp_path / "out" / "results" / NAME / "benchmark.json").read_text())
    assert numbers["estimates_pct"] == 100.0
    assert numbers["within_0.1m_5deg_pct"] == 100.0
    assert numbers["vcre_auc"] == 1.0
    assert (tmp_path / "out" / "results" / NAME / "precision_recall.png").is_file()

    monkeypatch.setattr(SiftExtractor, "extract", lambda *_: pytest.fail("a finished step ran again"))
    before = change_times(tmp_path / "out")
    report = report_argument(tmp_path)
    assert run(*arguments, "--scenes", "s00002", "--paper", *report) == 0
    after = change_times(tmp_path / "out")
    assert {p: after[p] for p in before if p.endswith(".h5")} == {p: before[p] for p in before if p.endswith(".h5")}
    assert "paper: SuperGlue (PlaneRCNN depth)" in capsys.readouterr().out
    check_report(report, f"{NAME}: 2 of 2 right", "paper: SuperGlue (PlaneRCNN depth)")
    assert run(*arguments, "--scenes", "s7") == 2
    assert "s00001" in capsys.readouterr().err


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """A scene of 7-Scenes: three references and two queries of one rendered room."""
    folder = tmp_path_factory.mktemp("7scenes") / "kitchen"
    size = (INTRINSICS.width, INTRINSICS.height)
    pair = sample_pair(5, (160, 120), PairOptions(overlap=(0.6, 1.0)))
    start, end = (np.asarray(view.cam_from_world) for view in (pair.view0, pair.view1))
    for sequence, shares in (("seq-01", (0.0, 0.5, 1.0)), ("seq-02", (0.25, 0.75))):
        (folder / sequence).mkdir(parents=True)
        for number, share in enumerate(shares):
            U, _, Vt = np.linalg.svd((1 - share) * start[:, :3] + share * end[:, :3])
            R = U @ Vt
            centre = -(1 - share) * start[:, :3].T @ start[:, 3] - share * end[:, :3].T @ end[:, 3]
            view = render(pair.room, INTRINSICS.K, size, np.column_stack([R, -R @ centre]))
            stem = folder / sequence / f"frame-{number:06d}"
            Image.fromarray(view.image).save(f"{stem}.color.png")
            write_depth_png(stem.with_name(stem.name + ".depth.png"), torch.from_numpy(view.depth))
            world_from_cam = np.eye(4)
            world_from_cam[:3] = np.column_stack([R.T, centre])
            np.savetxt(f"{stem}.pose.txt", world_from_cam)
    (folder / "TrainSplit.txt").write_text("sequence1\n")
    (folder / "TestSplit.txt").write_text("sequence2\n")
    return folder


def test_queries_against_posed_references(benchmark, kitchen, tmp_path, monkeypatch, capsys):
    arguments = [str(kitchen.parent), "--scenes", "kitchen", "--output", str(tmp_path), "--num-references", "2"]
    arguments += ["--feature", "sift", "--depth", "png:depth"]
    run = partial(benchmark, "sevenscenes")
    assert run(*arguments) == 0
    name = NAME.replace("sensor", "depth")
    results = tmp_path / "kitchen" / "results" / name
    numbers = json.loads((results / "benchmark.json").read_text())
    assert numbers["estimates_pct"] == 100.0
    assert numbers["within_5cm_5deg_pct"] == 100.0
    assert sorted(read_absolute_poses(results / "poses.txt")) == [f"seq-02/frame-{i:06d}.color.png" for i in range(2)]

    monkeypatch.setattr(SiftExtractor, "extract", lambda *_: pytest.fail("a finished step ran again"))
    report = report_argument(tmp_path)
    assert run(*arguments, *report) == 0
    assert "kitchen: " in capsys.readouterr().out
    check_report(report, f"{name}: 2 of 2 right", "within 5 cm and 5 degrees")

    lines = [f"seq-02/frame-{q:06d}.color.png seq-01/frame-{r:06d}.color.png\n" for q in range(2) for r in (1, 0, 2)]
    (tmp_path / "kitchen_top3.txt").write_text("".join(lines))
    assert run(*arguments, "--retrieval", str(tmp_path / "{scene}_top3.txt"), "--every", "2") == 0
    assert len(read_absolute_poses(results / "poses.txt")) == 1


def test_seven_scenes_refuses_what_it_does_not_know(benchmark, kitchen, tmp_path, capsys):
    run = partial(benchmark, "sevenscenes")
    arguments = ["--output", str(tmp_path / "out"), *SIFT]
    assert run(str(kitchen.parent), *arguments, "--scenes", "chess") == 2
    assert "unpack the scene's zip" in capsys.readouterr().err
    dataset = shutil.copytree(kitchen.parent, tmp_path / "other")
    image = dataset / "kitchen" / "seq-01" / "frame-000001.color.png"
    Image.open(image).resize((320, 240)).save(image)
    assert run(str(dataset), *arguments, "--scenes", "kitchen") == 2
    assert "320x240" in capsys.readouterr().err
    (tmp_path / "pairs.txt").write_text("a.png b.png\n")
    assert run(str(dataset), *arguments, "--scenes", "kitchen", "--retrieval", str(tmp_path / "pairs.txt")) == 2
    assert "pairs no test image" in capsys.readouterr().err


def test_rendered_scenes_differ(tmp_path):
    """The data of these tests is what it claims to be."""
    scene = read_scene(write_scene(tmp_path / "s00009", 9, (64, 48)))
    first, second = (scene.poses[query] for query in scene.frames())
    assert np.linalg.norm(first.translation) == pytest.approx(2 * np.linalg.norm(second.translation))

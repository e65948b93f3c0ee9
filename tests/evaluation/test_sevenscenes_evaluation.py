"""7-Scenes: reading scenes, absolute errors, and the same medians as hloc's own evaluation."""

import json
import logging
import re

import numpy as np
import pycolmap
import pytest
from support.mapfree_files import noisy, random_pose

from mickey_hloc.cli import main
from mickey_hloc.datasets.sevenscenes import depth_path, find_images, read_pose, read_split
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.sevenscenes import localization_errors, summarise_localization, true_poses
from mickey_hloc.io.poses import write_absolute_poses


@pytest.fixture
def scene(tmp_path):
    """A scene with a training and a test sequence, and its true cam_from_world."""
    rng = np.random.default_rng(0)
    truth = {}
    for sequence in ("seq-01", "seq-03"):
        (tmp_path / "chess" / sequence).mkdir(parents=True)
        for number in range(8):
            pose = random_pose(rng)
            name = f"{sequence}/frame-{number:06d}"
            T = np.vstack([pose.inverse().matrix(), [0, 0, 0, 1]])
            text = "\n".join("\t".join(f"{v:.9f}" for v in row) + "\t" for row in T)
            (tmp_path / "chess" / f"{name}.pose.txt").write_text(text + "\n")
            truth[f"{name}.color.png"] = pose
    (tmp_path / "chess" / "TrainSplit.txt").write_text("sequence1\n")
    (tmp_path / "chess" / "TestSplit.txt").write_text("sequence3\n")
    return tmp_path / "chess", truth


def make_estimates(truth):
    """Estimates of a part of the test frames, from good to hopeless."""
    rng = np.random.default_rng(1)
    names = [name for name in truth if name.startswith("seq-03")]
    return {name: noisy(truth[name], rng, 2.0**i, 0.01 * 2**i) for i, name in enumerate(names[:-2])}


def test_reading_a_scene(scene):
    folder, truth = scene
    assert read_split(folder, "test") == ["seq-03"]
    assert find_images(folder, "train") == [name for name in truth if name.startswith("seq-01")]
    assert find_images(folder) == list(truth)
    for name, pose in truth.items():
        np.testing.assert_allclose(read_pose(folder, name).matrix(), pose.matrix(), atol=1e-8)
    assert depth_path(folder, "seq-01/frame-000001.color.png").name == "frame-000001.depth.png"
    assert depth_path(folder, "seq-01/frame-000001.color.png", "dpt").name == "frame-000001.depth.dpt.png"


def test_errors_and_recall(scene):
    folder, _ = scene
    queries = true_poses(folder)
    moved = pycolmap.Rigid3d(np.array([[1, 0, 0, 0.03], [0, 1, 0, 0], [0, 0, 1, 0.04]]))
    names = list(queries)
    estimates = {names[0]: queries[names[0]], names[1]: moved * queries[names[1]], "stranger": moved}
    errors = localization_errors(estimates, queries)
    np.testing.assert_allclose(errors.translation_m[:2], [0, 0.05], atol=1e-7)
    np.testing.assert_allclose(errors.rotation_deg[:2], 0, atol=1e-5)
    assert np.isinf(errors.translation_m[2:]).all()
    assert np.isinf(errors.rotation_deg[2:]).all()
    summary = summarise_localization(errors)
    assert summary["within_25cm_2deg_pct"] == summary["estimates_pct"] == 25.0
    assert summary["median_translation_m"] == summary["median_rotation_deg"] == np.inf


def test_queries_may_be_chosen(scene, tmp_path):
    folder, _ = scene
    (tmp_path / "list.txt").write_text("seq-01/frame-000002.color.png SIMPLE_PINHOLE 640 480 525 320 240\n")
    poses = true_poses(folder, queries=tmp_path / "list.txt")
    assert list(poses) == ["seq-01/frame-000002.color.png"]


def write_model(folder, truth):
    """A COLMAP text model of posed images without points."""
    folder.mkdir()
    (folder / "cameras.txt").write_text("1 SIMPLE_PINHOLE 640 480 525 320 240\n")
    (folder / "points3D.txt").write_text("")
    lines = []
    for index, (name, pose) in enumerate(truth.items(), start=1):
        x, y, z, w = pose.rotation.quat
        lines.append(
            " ".join(map(repr, map(float, (w, x, y, z, *pose.translation)))).join((f"{index} ", f" 1 {name}\n\n"))
        )
    (folder / "images.txt").write_text("".join(lines))
    return folder


def test_a_colmap_model_gives_the_same_as_the_pose_files(scene, tmp_path, capsys):
    folder, truth = scene
    results = write_absolute_poses(tmp_path / "results.txt", make_estimates(truth))
    model = write_model(tmp_path / "model", truth)
    (tmp_path / "list.txt").write_text("\n".join(find_images(folder, "test")) + "\n")
    outputs = []
    for source in (["--dataset", str(folder)], ["--model", str(model), "--queries", str(tmp_path / "list.txt")]):
        arguments = ["evaluate", "sevenscenes", "--results", str(results), *source, "--output", str(tmp_path / "out")]
        assert main(arguments) == 0
        outputs.append(json.loads((tmp_path / "out" / "results.json").read_text()))
    for key in set(outputs[0]) - {"method"}:
        assert outputs[0][key] == pytest.approx(outputs[1][key], abs=1e-6), key
    assert "5 cm, 5 deg" in capsys.readouterr().out


def test_hloc_prints_the_same_medians(scene, tmp_path, monkeypatch):
    utils = pytest.importorskip("hloc.pipelines.Cambridge.utils", reason="hloc is not installed")
    folder, truth = scene
    results = write_absolute_poses(tmp_path / "results.txt", make_estimates(truth))
    model = write_model(tmp_path / "model", truth)
    (tmp_path / "list.txt").write_text("\n".join(find_images(folder, "test")) + "\n")
    printed = []
    handler = logging.Handler()
    handler.emit = lambda record: printed.append(record.getMessage())
    monkeypatch.setattr(utils, "logger", logging.Logger("hloc"))
    utils.logger.addHandler(handler)
    utils.evaluate(model, results, tmp_path / "list.txt", ext=".txt")
    text = "\n".join(printed)
    summary = summarise_localization(localization_errors(make_estimates(truth), true_poses(folder)))
    medians = re.search(r"Median errors: ([\d.]+)m, ([\d.]+)deg", text)
    assert medians is not None
    assert medians[1] == f"{summary['median_translation_m']:.3f}"
    assert medians[2] == f"{summary['median_rotation_deg']:.3f}"
    recalls = {(c, d): float(r) for c, d, r in re.findall(r"(\d+)cm, (\d+)deg : ([\d.]+)%", text)}
    assert recalls[("5", "5")] == pytest.approx(summary["within_5cm_5deg_pct"], abs=0.01)
    assert len(recalls) == 7
    for (centimetres, degrees), recall in recalls.items():
        assert recall == pytest.approx(summary[f"within_{centimetres}cm_{degrees}deg_pct"], abs=0.01)


def test_broken_scenes_are_named(scene, tmp_path):
    folder, truth = scene
    pose = folder / "seq-03" / "frame-000000.pose.txt"
    pose.write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n")
    with pytest.raises(InputError, match="4 lines of 4 numbers"):
        true_poses(folder)
    pose.write_text("-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    with pytest.raises(InputError, match="no rigid motion"):
        true_poses(folder)
    (folder / "TestSplit.txt").write_text("third\n")
    with pytest.raises(InputError, match="expected 'sequence3'"):
        true_poses(folder)
    (folder / "TestSplit.txt").write_text("sequence9\n")
    with pytest.raises(InputError, match="has no frames"):
        true_poses(folder)
    for sources in ((None, None), (folder, folder)):
        with pytest.raises(InputError, match="once"):
            true_poses(*sources)
    with pytest.raises(InputError, match="has no COLMAP model"):
        true_poses(model=tmp_path)
    with pytest.raises(InputError, match=r"names like 'a'.*like 'b'"):
        localization_errors({"a": next(iter(truth.values()))}, {"b": next(iter(truth.values()))})
    with pytest.raises(InputError, match="No folder"):
        find_images(tmp_path / "absent")

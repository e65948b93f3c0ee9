"""Map-free scoring: the recorded benchmark through the command line, and each of its rules on made-up scenes."""

import csv
import json
import zipfile

import numpy as np
import pycolmap
import pytest
from support.mapfree_files import frame, noisy, pose_line, random_pose, write_scene

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.mapfree import evaluate_submission, summarise
from mickey_hloc.evaluation.report import parse_labelled


def zip_of(path, **scenes):
    with zipfile.ZipFile(path, "w") as archive:
        for scene, text in scenes.items():
            archive.writestr(f"pose_{scene}.txt", text)
    return path


@pytest.fixture
def dataset(tmp_path):
    """Two scenes of 23 queries; frame 3 is missing."""
    rng = np.random.default_rng(0)
    truth = {scene: {n: random_pose(rng) for n in range(24) if n != 3} for scene in ("s00000", "s00001")}
    for scene, poses in truth.items():
        write_scene(tmp_path / "data" / "val" / scene, poses)
    return tmp_path / "data", truth


def perfect(poses, confidence=1.0):
    return "".join(pose_line(frame(n), pose, confidence) for n, pose in poses.items())


def test_recorded_benchmark_through_the_command_line(recorded, tmp_path, capsys):
    folder = recorded / "mapfree"
    arguments = ["evaluate", "mapfree", "--submission", str(folder / "submission.zip"), "--dataset", str(folder)]
    assert main([*arguments, "--split", "val", "--output", str(tmp_path), "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "submission.json").read_text())
    expected = json.loads((folder / "expected.json").read_text())
    assert printed == written
    assert set(expected) <= set(printed)
    for name, value in expected.items():
        assert printed[name] == pytest.approx(value, abs=1e-9, rel=0), name


def test_report_files(recorded, tmp_path, capsys):
    folder = recorded / "mapfree"
    zips = [f"{label}={folder / 'submission.zip'}" for label in ("ours", "theirs")]
    arguments = ["evaluate", "mapfree", "--submission", *zips, "--dataset", str(folder), "--output", str(tmp_path)]
    assert main([*arguments, "--paper"]) == 0
    table = capsys.readouterr().out
    assert [line.split()[0] for line in table.splitlines()[2:4]] == ["ours", "theirs"]
    assert "paper: MicKey w/ overlap" in table
    assert (tmp_path / "table.txt").read_text() == table
    assert (tmp_path / "precision_recall.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "ours.scenes.csv").open() as file:
        scenes = list(csv.DictReader(file))
    assert [row["scene"] for row in scenes] == sorted(path.name for path in (folder / "val").iterdir())
    with (tmp_path / "ours.frames.csv").open() as file:
        frames = list(csv.DictReader(file))
    total = json.loads((tmp_path / "ours.json").read_text())
    assert len(frames) + total["failures"] == sum(int(row["frames"]) for row in scenes)


def test_the_truth_is_perfect_and_every_fifth_frame_counts(dataset, tmp_path):
    folder, truth = dataset
    submission = zip_of(tmp_path / "s.zip", **{scene: perfect(poses) for scene, poses in truth.items()})
    results = evaluate_submission(submission, folder)
    assert results[0].frames == [frame(n) for n in (0, 6, 11, 16, 21)]  # positions 0, 5, ... without the missing 3
    summary = summarise(results)
    for name, value in summary.items():
        is_error = "Median" in name or name == "failures"
        assert value == pytest.approx(0.0 if is_error else 1.0, abs=1e-6), name


def test_multi_frame_track_scores_every_tenth_from_the_tenth(dataset, tmp_path):
    folder, truth = dataset
    submission = zip_of(tmp_path / "s.zip", **{scene: perfect(poses) for scene, poses in truth.items()})
    results = evaluate_submission(submission, folder, track="multi9")
    assert results[1].frames == [frame(10), frame(20)]
    assert len(evaluate_submission(submission, folder, track="all")[0].frames) == 23


def test_missing_frames_scenes_and_strangers(dataset, tmp_path):
    folder, truth = dataset
    lines = perfect({n: pose for n, pose in truth["s00000"].items() if n not in (6, 7)})
    summary = summarise(evaluate_submission(zip_of(tmp_path / "s.zip", s00000=lines, s99999=lines), folder))
    # one scored frame, and all 23 of the missing scene; the stranger is ignored
    assert summary["failures"] == 1 + 23
    assert summary["Estimates for % of frames"] == 4 / 28


def test_lines_that_the_benchmark_skips(dataset, tmp_path):
    folder, truth = dataset
    good = truth["s00000"]
    broken = {
        0: "seq1/frame_00000.jpg nan 0 0 0 0 0 0 1\n",
        6: "seq1/frame_00006.jpg 0 0 0 0 1 1 1 1\n",
        11: pose_line(frame(11), good[11], 1.0).replace(" ", "  ", 1),
        16: "# " + pose_line(frame(16), good[16], 1.0),
    }
    text = "".join(broken.values()) + pose_line(frame(21), good[21], 1.0)
    results = evaluate_submission(zip_of(tmp_path / "s.zip", s00000=text), folder, scenes=["s00000"])
    assert list(results[0].frames) == [frame(21)]
    assert results[0].num_failures == 4


def test_the_last_of_several_lines_counts_and_only_the_number_matters(dataset, tmp_path):
    folder, truth = dataset
    good = truth["s00000"]
    wrong = noisy(good[6], np.random.default_rng(1), 90, 5)
    text = pose_line(frame(6), wrong, 1) + pose_line("anything_00006.jpg", good[6], 1)
    result = evaluate_submission(zip_of(tmp_path / "s.zip", s00000=text), folder, scenes=["s00000"])[0]
    assert result.translation_m[0] < 1e-6


def test_errors_are_those_that_were_put_in(dataset, tmp_path):
    folder, truth = dataset
    moved = {n: pycolmap.Rigid3d(np.array([[1, 0, 0, 0.3], [0, 1, 0, 0], [0, 0, 1, 0.4]])) * p for n, p in
             truth["s00000"].items()}  # fmt: skip
    result = evaluate_submission(zip_of(tmp_path / "s.zip", s00000=perfect(moved)), folder, scenes=["s00000"])[0]
    np.testing.assert_allclose(result.translation_m, 0.5, atol=1e-9)
    np.testing.assert_allclose(result.rotation_deg, 0, atol=1e-6)
    assert (result.vcre_px > 20).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no usable pose"), ("seq1/frame_00006.jpg 1 0 0 0 0 0 0 -1\n", "negative confidence")],
)
def test_submissions_that_cannot_be_scored(dataset, tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        evaluate_submission(zip_of(tmp_path / "s.zip", s00000=text), dataset[0])


def test_wrong_input_on_the_command_line(dataset, tmp_path, capsys):
    folder, truth = dataset
    write_scene(folder / "test" / "s00002", truth["s00000"], withheld=True)
    submission = zip_of(tmp_path / "s.zip", s00002=perfect(truth["s00000"]))
    (tmp_path / "no.zip").write_text("text")
    cases = {
        ("s.zip", "test"): "withheld",
        ("s.zip", "train"): "No folder",
        ("s.zip", "val"): "has no scene of",
        ("no.zip", "val"): "not a readable zip",
        ("absent.zip", "val"): "No submission",
    }
    for (name, split), message in cases.items():
        arguments = ["--submission", str(submission.with_name(name)), "--dataset", str(folder), "--split", split]
        assert main(["evaluate", "mapfree", *arguments, "--output", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels():
    assert {k: str(v) for k, v in parse_labelled(["a/b.zip", "x=c.zip"]).items()} == {"b": "a/b.zip", "x": "c.zip"}
    for wrong in (["a.zip", "b/a.zip"], ["../x=a.zip"], ["=a.zip"]):
        with pytest.raises(InputError, match="label"):
            parse_labelled(wrong)

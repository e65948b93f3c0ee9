"""From poses files to submissions: pair order, failures, and the multi-frame track's fusion."""

import json
import zipfile

import numpy as np
import pytest
from support.mapfree_files import REFERENCE, estimated, frame, noisy, random_pose, write_device_poses, write_scene

from mickey_hloc.cli import main
from mickey_hloc.datasets.mapfree import read_scene
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.assembly import assemble, fuse_window, poses_by_query
from mickey_hloc.evaluation.mapfree import evaluate_submission
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.origin import ORIGIN_KEY
from mickey_hloc.io.poses import write_poses


def pair(scene, number, prefix=""):
    return f"{prefix}{scene}/{REFERENCE}", f"{prefix}{scene}/{frame(number)}"


@pytest.fixture
def scene(tmp_path):
    """A scene of 40 frames along a path, with exact device poses, and its truth."""
    rng = np.random.default_rng(5)
    truth = {0: random_pose(rng, 20)}
    for number in range(1, 40):
        truth[number] = noisy(truth[number - 1], rng, 2.0, 0.03)
    folder = write_scene(tmp_path / "data" / "val" / "s00000", truth)
    write_device_poses(folder, truth)
    return folder, truth


def test_pairs_in_either_order_and_with_folders(scene):
    folder, truth = scene
    poses = {pair("s00000", 0): estimated(truth[0]), pair("s00000", 5, "val/")[::-1]: estimated(truth[5].inverse())}
    assembled = assemble(poses, [read_scene(folder)])
    assert list(assembled.estimates["s00000"]) == [frame(0), frame(5)]
    for number in (0, 5):
        pose = assembled.estimates["s00000"][frame(number)].cam_from_world
        np.testing.assert_allclose(pose.matrix(), truth[number].matrix(), atol=1e-12)
    assert assembled.absent[0] == "s00000/seq1/frame_00010.jpg"


def test_failures_are_left_out_and_named(scene):
    folder, truth = scene
    poses = {pair("s00000", 0): estimated(truth[0]), pair("s00000", 5): RelativePose.failure("2 matches")}
    assembled = assemble(poses, [read_scene(folder)])
    assert list(assembled.estimates["s00000"]) == [frame(0)]
    assert assembled.failed == ["s00000/seq1/frame_00005.jpg: 2 matches"]


def test_the_ranking_is_chosen(scene):
    folder, truth = scene
    poses = {pair("s00000", 0): estimated(truth[0], 0.25)}
    for ranking, value in (("confidence", 0.25), ("score", 25.0)):
        assembled = assemble(poses, [read_scene(folder)], ranking=ranking)
        assert assembled.estimates["s00000"][frame(0)].confidence == value


def test_exact_frames_give_the_exact_query_pose(scene):
    folder, truth = scene
    poses = {pair("s00000", n): estimated(truth[n], 0.5) for n in range(1, 9)}  # not the query 9 itself
    estimates = assemble(poses, [read_scene(folder)], "multi9").estimates["s00000"]
    assert list(estimates) == [frame(9)]
    np.testing.assert_allclose(estimates[frame(9)].cam_from_world.matrix(), truth[9].matrix(), atol=1e-9)
    assert estimates[frame(9)].confidence == pytest.approx(8 * 0.5 / 9)


def test_confidence_falls_with_disagreement():
    rng = np.random.default_rng(0)
    true = random_pose(rng)
    agreeing = [estimated(noisy(true, rng, 1, 0.01), 0.8) for _ in range(6)]
    scattered = [estimated(noisy(true, rng, 120, 3), 0.8) for _ in range(6)]
    failed = [RelativePose.failure("x")] * 3
    assert fuse_window([*agreeing, *failed], 9).confidence == pytest.approx(6 * 0.8 / 9)
    assert fuse_window([*scattered, *failed], 9).confidence < 0.4
    assert fuse_window(failed, 3) is None
    without_confidence = fuse_window([estimated(true, 0.0)] * 2, 2)
    np.testing.assert_allclose(without_confidence.cam_from_world.matrix(), true.matrix(), atol=1e-9)
    assert without_confidence.confidence == 0


def test_multi_frame_beats_the_single_frame(tmp_path, capsys):
    rng = np.random.default_rng(3)
    poses = {}
    for index in range(4):
        truth = {0: random_pose(rng, 20)}
        for number in range(1, 60):
            truth[number] = noisy(truth[number - 1], rng, 2.0, 0.03)
        name = f"s{index:05d}"
        write_device_poses(write_scene(tmp_path / "data" / "val" / name, truth), truth)
        for number, true in truth.items():
            is_wrong = rng.random() < 0.35
            estimate = random_pose(rng, 180, 2) if is_wrong else noisy(true, rng, 6, 0.08)
            poses[pair(name, number)] = estimated(estimate, rng.uniform(0.1, 0.6 if is_wrong else 1.0))
    write_poses(tmp_path / "poses.txt", poses)
    single = {k: v for k, v in poses.items() if k[1].endswith("9.jpg")}
    write_poses(tmp_path / "single.txt", single)
    results = {}
    for name in ("single", "poses"):
        zipped = tmp_path / f"{name}.zip"
        arguments = [
            "--dataset",
            str(tmp_path / "data"),
            "--split",
            "val",
            "--track",
            "multi9",
            "--output",
            str(zipped),
        ]
        assert main(["submit", "--poses", str(tmp_path / f"{name}.txt"), *arguments]) == 0
        results[name] = evaluate_submission(zipped, tmp_path / "data", track="multi9")
    assert "24 poses of 4 scenes" in capsys.readouterr().out

    def errors(name, what):
        return np.concatenate([getattr(scene, what) for scene in results[name]])

    assert errors("poses", "pose_accepted").mean() >= errors("single", "pose_accepted").mean() + 0.2
    for what in ("translation_m", "rotation_deg", "vcre_px"):
        assert np.median(errors("poses", what)) < 0.7 * np.median(errors("single", what))


def test_submit_on_the_command_line(scene, tmp_path, capsys):
    _, truth = scene
    poses = {pair("s00000", n): estimated(truth[n]) for n in range(0, 30)}
    poses[pair("s00000", 30)] = RelativePose.failure("dark")
    write_poses(tmp_path / "p.txt", poses)
    write_scene(tmp_path / "data" / "val" / "s00001", truth)
    arguments = ["submit", "--poses", str(tmp_path / "p.txt"), "--dataset", str(tmp_path / "data"), "--split", "val"]
    for name in ("a.zip", "b.zip"):
        # the second scene was not run, so its file is missing and the submission is not correct
        assert main([*arguments, "--output", str(tmp_path / name)]) == 1
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    captured = capsys.readouterr()
    assert "pose_s00001.txt: is missing" in captured.out
    assert "1 scored queries failed, e.g. s00000/seq1/frame_00030.jpg: dark" in captured.err
    assert main([*arguments, "--scenes", "s00000", "--output", str(tmp_path / "c.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        lines = archive.read("pose_s00000.txt").decode().splitlines()
    assert [line.split()[0] for line in lines] == [frame(n) for n in range(0, 30, 5)]


def test_submit_refuses_what_it_cannot_use(scene, tmp_path, capsys):
    folder, truth = scene
    write_poses(tmp_path / "p.txt", {pair("s00009", 0): estimated(truth[0])})
    arguments = ["--dataset", str(tmp_path / "data"), "--split", "val", "--output", str(tmp_path / "x.zip")]
    assert main(["submit", "--poses", str(tmp_path / "p.txt"), *arguments]) == 2
    assert "No scored query" in capsys.readouterr().err
    assert main(["submit", "--poses", *[str(tmp_path / "p.txt")] * 2, *arguments]) == 2
    assert "in another poses file" in capsys.readouterr().err
    (folder / "poses_device.txt").unlink()
    write_poses(tmp_path / "p.txt", {pair("s00000", 9): estimated(truth[9])})
    assert main(["submit", "--poses", str(tmp_path / "p.txt"), *arguments, "--track", "multi9"]) == 2
    assert "poses_device.txt" in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("s0/seq1/frame_00001.jpg", "s0/seq1/frame_00002.jpg"), "not a scene's reference"),
        (("s0/seq0/frame_00000.jpg", "s1/seq1/frame_00002.jpg"), "not a scene's reference"),
        (("seq0/frame_00000.jpg", "seq1/frame_00002.jpg"), "does not say its scene"),
        (("s0/seq0/frame_00000.jpg", "s0/seq1/2.jpg"), "not a frame of a Map-free scene"),
    ],
)
def test_names_that_are_no_query(names, message):
    with pytest.raises(InputError, match=message):
        poses_by_query({names: estimated(random_pose(np.random.default_rng(0)))})


def test_a_query_twice():
    pose = estimated(random_pose(np.random.default_rng(0)))
    with pytest.raises(InputError, match="twice"):
        poses_by_query({pair("s0", 5): pose, pair("s0", 5)[::-1]: pose})


def test_submit_of_supported_poses_needs_a_file_that_tells_them(scene, tmp_path, capsys):
    _, truth = scene
    write_poses(tmp_path / "p.txt", {pair("s00000", number): estimated(truth[number]) for number in (0, 5)})
    text = (tmp_path / "p.txt").read_text()
    arguments = ["--dataset", str(tmp_path / "data"), "--split", "val", "--output", str(tmp_path / "s.zip")]
    for policy, status in (("all", 2), ("supported", 0)):
        origin = json.dumps({"acceptance": {"accept": policy}})
        (tmp_path / "p.txt").write_text(f"# {ORIGIN_KEY} {origin}\n{text}")
        assert main(["submit", "--poses", str(tmp_path / "p.txt"), *arguments, "--accept", "supported"]) == status
        assert ("does not tell which of its poses are supported" in capsys.readouterr().err) == (status == 2)
        assert main(["submit", "--poses", str(tmp_path / "p.txt"), *arguments]) == 0

"""``mickey-hloc benchmark mapfree``: right poses, nothing twice, nothing mixed, the same bytes from the same seed."""

import json
import shutil
import sys
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image
from support.rendered_scenes import all_files, change_times

from mickey_hloc.benchmark.mapfree import mapfree_run
from mickey_hloc.datasets.mapfree import REFERENCE
from mickey_hloc.errors import InputError
from mickey_hloc.features.sift import SiftExtractor
from mickey_hloc.io.poses import read_poses
from mickey_hloc.matching.nearest import NearestNeighbourMatcher
from mickey_hloc.solvers.procrustes import ProcrustesSolver

SIFT = ["--track", "all", "--feature", "sift", "--matcher", "nn-ratio", "--depth", "png:sensor"]
NAME = "sift-r1600+nn-ratio+sensor+procrustes"


def run(benchmark, dataset, outputs, *arguments):
    return benchmark("mapfree", dataset, "--output", outputs, *(arguments or SIFT))


@pytest.fixture(scope="module")
def finished(benchmark, rendered, tmp_path_factory):
    outputs = tmp_path_factory.mktemp("outputs")
    assert run(benchmark, rendered, outputs) == 0
    return outputs


def test_sift_with_exact_depth_is_right_from_images_to_the_table(finished):
    results = finished / "val" / "results-all" / NAME
    numbers = json.loads((results / "benchmark.json").read_text())
    assert numbers["Estimates for % of frames"] == 1.0
    assert numbers["Precision @ VCRE < 90px"] == 1.0
    assert numbers["Average Median Translation Error"] < 0.03
    assert numbers["Average Median Rotation Error"] < 1.0
    assert NAME in (results / "table.txt").read_text()
    with zipfile.ZipFile(results / "submission.zip") as archive:
        assert sorted(archive.namelist()) == ["pose_s00001.txt", "pose_s00002.txt"]


def test_a_finished_run_does_nothing(benchmark, rendered, finished, monkeypatch, capsys):
    """Neither network nor matcher nor solver runs, and no file of a step is written."""
    before = change_times(finished)
    for cls, method in ((SiftExtractor, "extract"), (NearestNeighbourMatcher, "match"), (ProcrustesSolver, "solve")):
        monkeypatch.setattr(cls, method, lambda *_: pytest.fail("a finished step ran again"))
    assert run(benchmark, rendered, finished) == 0
    after = change_times(finished)
    assert after.keys() == before.keys()
    steps = [path for path in after if path.endswith(".h5") or path.endswith("images.json")]
    assert len(steps) == 4
    assert {path: after[path] for path in steps} == {path: before[path] for path in steps}
    assert NAME in capsys.readouterr().out


def test_the_same_seed_gives_the_same_bytes(benchmark, rendered, finished, tmp_path):
    assert run(benchmark, rendered, tmp_path / "again") == 0
    assert all_files(tmp_path / "again") == all_files(finished)


def test_scenes_one_after_the_other_are_all_scenes(benchmark, rendered, finished, tmp_path):
    assert run(benchmark, rendered, tmp_path, *SIFT, "--scenes", "s00002") == 0
    assert not (tmp_path / "val" / "poses-all" / NAME / "s00001.txt").exists()
    assert run(benchmark, rendered, tmp_path) == 0
    for scene in ("s00001", "s00002"):
        path = f"val/poses-all/{NAME}/{scene}.txt"
        assert (tmp_path / path).read_bytes() == (finished / path).read_bytes()


def test_a_second_solver_reuses_everything_before_it(benchmark, rendered, finished, tmp_path, monkeypatch):
    outputs = shutil.copytree(finished, tmp_path / "outputs")
    for cls, method in ((SiftExtractor, "extract"), (NearestNeighbourMatcher, "match")):
        monkeypatch.setattr(cls, method, lambda *_: pytest.fail("a finished step ran again"))
    assert run(benchmark, rendered, outputs, *SIFT, "--solver", "pnp", "--seed", "1") == 0
    poses = read_poses(outputs / "val" / "poses-all" / "sift-r1600+nn-ratio+sensor+pnp-seed1" / "s00001.txt")
    assert all(pose.success for pose in poses.values())


def test_a_query_without_pose_is_in_the_score_and_not_in_the_submission(benchmark, own_copy, tmp_path, capsys):
    blank = own_copy / "val" / "s00001" / "seq1" / "frame_00001.jpg"
    Image.fromarray(np.full((240, 320, 3), 128, dtype=np.uint8)).save(blank)
    assert run(benchmark, own_copy, tmp_path / "outputs") == 0
    results = tmp_path / "outputs" / "val" / "results-all" / NAME
    assert json.loads((results / "benchmark.json").read_text())["failures"] == 1
    with zipfile.ZipFile(results / "submission.zip") as archive:
        assert b"seq1/frame_00001" not in archive.read("pose_s00001.txt")
    assert "3 queries have a pose, 1 have none" in capsys.readouterr().err


def test_an_unreadable_image_costs_itself_only(benchmark, own_copy, tmp_path):
    (own_copy / "val" / "s00001" / "seq1" / "frame_00001.jpg").write_bytes(b"no image")
    assert run(benchmark, own_copy, tmp_path / "outputs") == 0
    poses = read_poses(tmp_path / "outputs" / "val" / "poses-all" / NAME / "s00001.txt")
    assert [pose.success for pose in poses.values()] == [True, False]


def change_image(dataset, outputs):
    Image.fromarray(np.zeros((240, 320, 3), dtype=np.uint8)).save(dataset / "val/s00002/seq1/frame_00000.jpg")


def change_depth(dataset, outputs):
    path = dataset / "val" / "s00001" / REFERENCE.replace(".jpg", ".sensor.png")
    values = np.array(Image.open(path))
    Image.fromarray((values + 500).astype(np.uint16)).save(path)


def change_features(dataset, outputs):
    with h5py.File(outputs / "val" / "feats-sift-r1600.h5", "a") as file:
        for name in (REFERENCE, "seq1/frame_00000.jpg"):
            file[f"s00001/{name}"]["keypoints"][0] += 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [(change_image, "is not the image that"), (change_depth, "other depths"), (change_features, "other features")],
)
def test_what_was_made_from_other_input_is_refused(benchmark, own_copy, tmp_path, finished, capsys, change, message):
    outputs = shutil.copytree(finished, tmp_path / "outputs")
    change(own_copy, outputs)
    assert run(benchmark, own_copy, outputs) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert "overwrite" in error
    assert run(benchmark, own_copy, outputs, *SIFT, "--overwrite") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--feature", "sift"], "has no depth of its own"),
        (["--feature", "sift", "--depth", "sensor"], "Unknown depth source"),
        (["--feature", "sift", "--depth", "png:absent"], "No depth file for image"),
        (["--feature", "sift", "--depth", "png:sensor", "--matcher", "nearest"], "nn-ratio"),
        (["--feature", "sift", "--depth", "png:sensor", "--solver", "ransac"], "procrustes"),
        (["--feature", "sift", "--depth", "png:sensor", "--set", "max_error=1"], "max_error_m"),
        (["--feature", "sift", "--depth", "png:sensor", "--weights", "mickey"], "leave out the weights"),
        (["--feature", "sift", "--depth", "png:sensor", "--scenes", "s1"], "s00001"),
        (["--weights", "no_such.ckpt"], "no_such.ckpt"),
        (["--weights", "small", "--split", "train"], "the folder that has 'train' in it (DATASET or --dataset"),
    ],
)
def test_wrong_input_is_one_sentence(benchmark, rendered, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setitem(sys.modules, "hloc", None)  # not installed
    assert run(benchmark, rendered, tmp_path, "--track", "all", *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("mickey-hloc benchmark: ")
    assert message in error


def test_withheld_poses_give_a_submission_without_score(benchmark, own_copy, tmp_path, capsys):
    path = own_copy / "val" / "s00001" / "poses.txt"
    reference, *queries = path.read_text().splitlines()
    path.write_text("\n".join([reference, *(f"{line.split()[0]} 0 0 0 0 0 0 0" for line in queries)]) + "\n")
    assert run(benchmark, own_copy, tmp_path / "outputs", *SIFT, "--scenes", "s00001") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "withheld" in captured.err
    assert (tmp_path / "outputs" / "val" / "results-all" / NAME / "submission.zip").is_file()


def test_pairs_of_the_tracks(tmp_path):
    """Every 5th query; or the windows of frames 9, 19, ... without gaps and each frame once."""
    scene = tmp_path / "val" / "s00001"
    scene.mkdir(parents=True)
    names = [REFERENCE, *(f"seq1/frame_{i:05d}.jpg" for i in range(25))]
    (scene / "intrinsics.txt").write_text("".join(f"{name} 300 300 160 120 320 240\n" for name in names))
    (scene / "poses.txt").write_text("".join(f"{name} 1 0 0 0 0 0 0\n" for name in names))
    with pytest.raises(InputError, match=r"poses_device\.txt does not exist"):
        mapfree_run(tmp_path, "val", "multi9", None, tmp_path / "out")
    shutil.copy(scene / "poses.txt", scene / "poses_device.txt")
    single, multi = (mapfree_run(tmp_path, "val", track, None, tmp_path / "out").task for track in ("single", "multi9"))
    assert [query[-9:-4] for _, query in single.pairs] == ["00000", "00005", "00010", "00015", "00020"]
    assert [int(query[-9:-4]) for _, query in multi.pairs] == [*range(1, 10), *range(11, 20)]
    assert {reference for reference, _ in multi.pairs} == {f"s00001/{REFERENCE}"}
    assert single.kind != multi.kind

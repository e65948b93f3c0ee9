"""The same pair through every entrance gives the same numbers, to the last printed digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.rendered_scenes import SIZE, write_scene

from mickey_hloc import load_model
from mickey_hloc.cli import main
from mickey_hloc.datasets.mapfree_pairs import MapFreeSource
from mickey_hloc.io.pairs import write_pairs
from mickey_hloc.io.poses import read_poses, wxyz_from_rigid3d
from mickey_hloc.solvers import get_solver
from mickey_hloc.training.validation import estimate_pose

REFERENCE, QUERY = "s00001/seq0/frame_00000.jpg", "s00001/seq1/frame_00000.jpg"
SMALL = ["--feature", "mickey-small", "--precision", "fp32"]  # validation runs the model as it is
METHODS = {
    "the bundled model as it says itself": SMALL,
    "the bundled model, drawing": [*SMALL, "--solver", "probabilistic"],
    "the bundled model, matched first": [*SMALL, "--matcher", "mickey-small", "--solver", "pnp"],
    "sift": ["--feature", "sift", "--depth", "png:sensor", "--solver", "procrustes"],
}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mapfree")
    write_scene(folder / "val" / "s00001", seed=3)
    return folder


def by_pose(split: Path, method: list[str], capsys: pytest.CaptureFixture[str]) -> list[float]:
    images = split / "val"
    intrinsics = images / "s00001" / "intrinsics.txt"
    command = ["pose", str(images / REFERENCE), str(images / QUERY), "--intrinsics", str(intrinsics), *method]
    command += ["--accept", "all", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    return [*found["quaternion_wxyz"], *found["translation_m"], found["score"], found["confidence"]]


def by_steps(split: Path, method: list[str], folder: Path) -> list[float]:
    images, pairs = split / "val", write_pairs(folder / "pairs.txt", [(REFERENCE, QUERY)])
    options = dict(zip(method[::2], method[1::2], strict=True))
    features, matches = folder / "features.h5", folder / "matches.h5"
    extract = ["extract", str(images), "--feature", options["--feature"], "--output", str(features)]
    extract += ["--precision", "fp32"] if "--precision" in options else []
    assert main([*extract, "--glob", "*.jpg"]) == 0
    poses = ["poses", str(pairs), "--features", str(features), "--intrinsics", str(images), "--images", str(images)]
    if options.get("--solver") != "probabilistic":
        matcher = options.get("--matcher", {"sift": "nn-ratio"}.get(options["--feature"], options["--feature"]))
        command = ["match", str(pairs), "--features", str(features), "--matcher", matcher, "--output", str(matches)]
        assert main(command) == 0
        poses += ["--matches", str(matches)]
    for name in ("--depth", "--solver"):
        poses += [name, options[name]] if name in options else []
    assert main([*poses, "--accept", "all", "--output", str(folder / "poses.txt")]) == 0
    return numbers(read_poses(folder / "poses.txt")[REFERENCE, QUERY])


def by_benchmark(split: Path, method: list[str], folder: Path) -> list[float]:
    assert main(["benchmark", "mapfree", str(split), "--track", "all", *method, "--output", str(folder)]) == 0
    (poses,) = folder.rglob("poses-*/*/s00001.txt")
    return numbers(read_poses(poses)[REFERENCE, QUERY])


def by_validation(split: Path, solver: str) -> list[float]:
    model = load_model("small", precision="fp32")
    data = MapFreeSource(str(split), split="val").open(SIZE)
    item = next(item for item in data if data.table.name_pair(item["index"]) == (REFERENCE, QUERY))  # type: ignore[attr-defined]
    found = model(item["image0"][None]), model(item["image1"][None])
    return numbers(estimate_pose(get_solver(solver), found, model.matcher, item, SIZE, seed=0, family="small"))


def numbers(pose) -> list[float]:
    assert pose.success, pose.reason
    return [*map(float, wxyz_from_rigid3d(pose.cam1_from_cam0)), pose.score, pose.confidence]


@pytest.mark.parametrize("name", METHODS)
def test_the_same_pair_through_every_entrance(split, name, tmp_path, capsys) -> None:
    method = METHODS[name]
    expected = by_pose(split, method, capsys)
    assert np.isfinite(expected).all()
    assert by_steps(split, method, tmp_path) == expected
    assert by_benchmark(split, method, tmp_path / "benchmark") == expected
    if method[: len(SMALL)] == SMALL and "--matcher" not in method:
        solver = "probabilistic" if "probabilistic" in method else "joint"
        assert by_validation(split, solver) == expected

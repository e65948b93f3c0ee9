"""Parts of the user's own by dotted path wherever a name goes: in memory, in steps, on the command line, in grids."""

from __future__ import annotations

import csv
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support import own_parts
from support.rendered_scenes import SIZE, write_scene

from mickey_hloc import Method, TwoViewEstimator, estimate_poses, extract_features, match_features
from mickey_hloc.cli import main
from mickey_hloc.cli.pose import load_photos
from mickey_hloc.errors import PartError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import read_poses, rigid3d_from_wxyz
from mickey_hloc.match_images import main as match_images
from mickey_hloc.pair_models import get_pair_model

OWN = "support.own_parts:"
NAMES = ("seq0/frame_00000.jpg", "seq1/frame_00000.jpg")
PARTS = {
    "feature": OWN + "CornerExtractor",
    "matcher": OWN + "RatioMatcher",
    "depth": OWN + "MapDepth:sensor",
    "solver": OWN + "AlignSolver",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """val/scene: rendered photos with depth and poses, and their pairs."""
    folder = tmp_path_factory.mktemp("own")
    write_scene(folder / "val" / "s00001", seed=3)
    (folder / "pairs.txt").write_text(" ".join(NAMES) + "\n")
    return folder


@pytest.fixture(scope="module")
def scene(folder: Path) -> Path:
    return folder / "val" / "s00001"


def check_pose(pose: RelativePose, scene: Path) -> None:
    assert pose.success, pose.reason
    lines = (line.split() for line in (scene / "poses.txt").read_text().splitlines())
    truth = rigid3d_from_wxyz(next([float(x) for x in values] for name, *values in lines if name == NAMES[1]))
    R, t = truth.rotation.matrix(), np.asarray(truth.translation)
    degrees, metres = pose_errors(*map(torch.from_numpy, (pose.R, pose.t, R, t)))
    assert float(degrees) < 1.0
    assert float(metres) < 0.05


def photos_of(scene: Path):
    return load_photos((scene / NAMES[0], scene / NAMES[1]), scene / "intrinsics.txt", None, scene)[0]


def test_in_memory(scene: Path) -> None:
    method = Method(**PARTS, feature_options={"max_keypoints": 700}, solver_options={"draws": 200})
    estimator = TwoViewEstimator(method, scene)
    found = estimator.estimate(*photos_of(scene))
    check_pose(found.pose, scene)
    assert len(found.features[0].keypoints) <= 700
    again = TwoViewEstimator(method, scene).estimate(*photos_of(scene))
    assert again.pose.R.tobytes() == found.pose.R.tobytes()
    parts = estimator.parts
    assert (parts.extractor.name, parts.matcher.name, parts.solver.name) == (
        PARTS["feature"],
        PARTS["matcher"],
        PARTS["solver"],
    )
    assert pickle.loads(pickle.dumps(parts)).name == parts.name
    assert parts.name.replace("support.own_parts-", "").startswith("CornerExtractor-")


def test_with_parts_of_ours_and_the_matcher_that_suits_it(scene: Path) -> None:
    for changes in (
        {"matcher": None},
        {"matcher": "nn-ratio", "solver": "procrustes"},
        {"feature": "sift"},
        {"depth": "png:sensor", "solver": "pnp", "device": "cpu"},
    ):
        check_pose(TwoViewEstimator(Method(**(PARTS | changes)), scene).estimate(*photos_of(scene)).pose, scene)


def test_a_pair_model_of_ones_own(scene: Path, folder: Path) -> None:
    method = Method(matcher=OWN + "CornerPairs", depth=PARTS["depth"], solver=PARTS["solver"])
    found = TwoViewEstimator(method, scene).estimate(*photos_of(scene))
    check_pose(found.pose, scene)
    flat = Method(matcher=OWN + "CornerPairs", matcher_options={"depth_m": 3.5}, solver=PARTS["solver"])
    problem = TwoViewEstimator(flat, scene).estimate(*photos_of(scene)).problem
    assert bool((problem.view0.depths == 3.5).all())
    assert len(problem.view0.depths) > 10
    model = get_pair_model(OWN + "CornerPairs")
    path = match_images(model, [NAMES], scene, folder / "pair_model.h5", progress=False)
    match_images({"output": "x", "model": {"name": OWN + "CornerPairs"}}, [NAMES], scene, path, progress=False)


def test_through_the_steps(scene: Path, folder: Path) -> None:
    out = folder / "steps"
    features = extract_features.main(extract_features.get_conf(PARTS["feature"]), scene, out, progress=False)
    matches = match_features.main(
        match_features.get_conf(PARTS["matcher"], max_ratio=0.9), folder / "pairs.txt", features, out / "matches.h5"
    )
    conf = estimate_poses.get_conf(PARTS["solver"], draws=200) | {"depth": PARTS["depth"]}
    arguments = (folder / "pairs.txt", features, scene / "intrinsics.txt", matches)
    path = estimate_poses.main(conf, *arguments, image_dir=scene, export_dir=out, progress=False)
    check_pose(read_poses(path)[NAMES], scene)
    assert ":" not in "".join(made.name for made in (features, matches, path))
    before = {made: made.read_bytes() for made in (features, path)}
    extract_features.main(extract_features.get_conf(PARTS["feature"]), scene, out, progress=False)
    estimate_poses.main(conf, *arguments, image_dir=scene, export_dir=out, progress=False)
    assert {made: made.read_bytes() for made in before} == before


def test_on_the_command_line(scene: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "commands"
    chosen = {slot: f"--{slot} {name}" for slot, name in PARTS.items()}
    intrinsics = f"--intrinsics {scene}/intrinsics.txt"
    first, second = (scene / name for name in NAMES)
    options = "--set feature.max_keypoints=700 --set matcher.max_ratio=0.9 --set draws=200"
    everything = " ".join(chosen.values())
    assert main(f"pose {first} {second} {intrinsics} {everything} {options} --device cpu".split()) == 0
    assert "confidence" in capsys.readouterr().out
    features, matches, pairs = f"{out}/feats.h5", f"{out}/matches.h5", folder / "pairs.txt"
    assert main(f"extract {scene} {chosen['feature']} --set max_keypoints=700 --output {features}".split()) == 0
    matcher = f"{chosen['matcher']} --set max_ratio=0.9"
    assert main(f"match {pairs} --features {features} {matcher} --output {matches}".split()) == 0
    stored = f"--features {features} --matches {matches} {intrinsics} --images {scene}"
    solver = f"{chosen['depth']} {chosen['solver']} --set draws=200"
    assert main(f"poses {pairs} {stored} {solver} --output {out}".split()) == 0
    (path,) = out.glob("poses-*.txt")
    assert ":" not in path.name
    check_pose(read_poses(path)[NAMES], scene)


def test_in_a_grid(folder: Path, tmp_path: Path) -> None:
    grid = {
        "methods": {
            "own": {"feature": PARTS["feature"], "matcher": PARTS["matcher"]},
            "pairs": {"matcher": OWN + "CornerPairs"},
            "sift": {"feature": "sift", "matcher": PARTS["matcher"], "solvers": ["own"]},
            "buggy": {"feature": OWN + "BuggyExtractor", "matcher": "nn-ratio", "solvers": ["own"]},
            "lying": {"feature": "sift", "matcher": OWN + "LyingMatcher", "solvers": ["own"]},
            "absent": {"feature": OWN + "Absent", "matcher": "nn-ratio", "solvers": ["own"]},
        },
        "depths": {"map": PARTS["depth"]},
        "solvers": {"own": {"solver": PARTS["solver"], "draws": 200}, "procrustes": {}},
        "timing_pairs": 0,
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    command = f"benchmark grid {tmp_path}/grid.yaml --dataset {folder} --output {tmp_path}/out"
    assert main(command.split()) == 0
    with (tmp_path / "out" / "grid.csv").open() as file:
        rows = {(row["method"], row["solver"]): row for row in csv.DictReader(file)}
    assert len(rows) == 8
    for label in (("own", "own"), ("own", "procrustes"), ("pairs", "own"), ("pairs", "procrustes"), ("sift", "own")):
        assert rows[label]["note"] == "", label
        assert float(rows[label]["average_median_translation_m"]) < 0.05, label
    assert "Feature BuggyExtractor broke down: KeyError: 'corners' (own_parts.py, line" in rows["buggy", "own"]["note"]
    assert "Matcher LyingMatcher returned a partner" in rows["lying", "own"]["note"]
    assert "has no Absent" in rows["absent", "own"]["note"]


def test_a_bug_is_told_with_its_line(scene: Path) -> None:
    estimator = TwoViewEstimator(Method(**(PARTS | {"feature": OWN + "BuggyExtractor"})), scene)
    with pytest.raises(PartError) as caught:
        estimator.estimate(*photos_of(scene))
    lines, first = inspect.getsourcelines(own_parts.BuggyExtractor)
    line = first + next(i for i, text in enumerate(lines) if '["corners"]' in text)
    assert str(caught.value) == f"Feature BuggyExtractor broke down: KeyError: 'corners' (own_parts.py, line {line})."
    assert isinstance(caught.value.__cause__, KeyError)


MODULES = {
    "needs_package.py": "import a_package_that_nobody_has\n",
    "asks_for_package.py": 'raise ImportError("install the package foo")\n',
    "asks_for_name.py": "from torch import a_name_that_it_has_not\n",
    "with_a_bug.py": "x = 1\nx.y\n",
    "no_python.py": "class :\n",
}
WRONG = [
    ("--feature no_such_module:X", "there is no module no_such_module; install its package or add its folder to"),
    ("--feature support.no_such:X", "there is no module support.no_such"),
    ("--feature support.own_parts:NoSuch", "the module support.own_parts has no NoSuch"),
    ("--matcher support.own_parts:NoSuch", "the module support.own_parts has no NoSuch"),
    ("--solver support.own_parts:NoSuch", "the module support.own_parts has no NoSuch"),
    ("--depth support.own_parts:NoSuch", "the module support.own_parts has no NoSuch"),
    ("--feature support.own_parts:NoPart", "is no feature: it must be a class derived from mickey_hloc.features.base"),
    ("--feature support.own_parts:NO_CLASS", "is no feature: it must be a class"),
    ("--feature support.own_parts:RatioMatcher", "is no feature, it is a matcher: it must be a class"),
    ("--matcher support.own_parts:AlignSolver", "is no matcher, it is a solver: it must be a class"),
    ("--solver support.own_parts:CornerExtractor", "is no solver, it is a feature: it must be a class"),
    ("--depth support.own_parts:AlignSolver", "is no depth source, it is a solver: it must be a class"),
    ("--feature needs_package:X", "needs the module a_package_that_nobody_has: install it"),
    ("--matcher needs_package:X", "needs the module a_package_that_nobody_has: install it"),
    ("--solver asks_for_package:X", "cannot be imported: install the package foo."),
    ("--depth asks_for_name:X", "cannot be imported: cannot import name 'a_name_that_it_has_not'"),
    ("--feature with_a_bug:X", "AttributeError: 'int' object has no attribute 'y' (with_a_bug.py, line 2)"),
    ("--feature no_python:X", "SyntaxError: invalid syntax (no_python.py, line 1)"),
    ("--feature support.own_parts:UnfinishedExtractor", "UnfinishedExtractor is not finished: it must define _extract"),
    (
        "--feature support.own_parts:ClosedExtractor --set feature.x=1",
        "broke down: TypeError: ClosedExtractor.__init__",
    ),
    ("--set feature.max_keypoint=9", "Unknown option 'max_keypoint' of feature CornerExtractor; known: max_keypoints,"),
    ("--set matcher.max_ratio=7", "Option max_ratio must be in (0, 1], got 7.0"),
    ("--set depth.scale=7", "Unknown option 'scale' of depth source MapDepth; known: metres_per_unit,"),
    ("--set draws=few", "Option draws of solver AlignSolver must be a whole number, got 'few'"),
    ("--feature support.own_parts:BuggyExtractor", "Feature BuggyExtractor broke down: KeyError: 'corners'"),
    ("--feature support.own_parts:LyingExtractor", "LyingExtractor returned descriptors that are not finite"),
    ("--matcher support.own_parts:LyingMatcher", "LyingMatcher returned a partner that is none of the"),
    ("--depth support.own_parts:LyingDepth:sensor", "LyingDepth._load_map must give (height, width)"),
    ("--solver support.own_parts:LyingSolver", "LyingSolver returned a failure with a pose or without a reason"),
    ("--depth support.own_parts:MapDepth:absent", "Depth source MapDepth broke down: AttributeError: 'NoneType'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_is_wrong_is_one_sentence_on_the_command_line(
    scene: Path,
    tmp_path: Path,
    arguments: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    first, second = (scene / name for name in NAMES)
    usual = [f"--{slot} {name}" for slot, name in PARTS.items() if f"--{slot} " not in arguments]
    command = f"pose {first} {second} --intrinsics {scene}/intrinsics.txt {' '.join(usual)} {arguments}"
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_lying_pair_model_is_one_sentence(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (scene / name for name in NAMES)
    chosen = f"--matcher {OWN}LyingPairs --solver {PARTS['solver']}"
    assert main(f"pose {first} {second} --intrinsics {scene}/intrinsics.txt {chosen}".split()) == 2
    assert "Pair model LyingPairs must return depths0, depths1, too." in capsys.readouterr().err


def test_a_photo_of_one_colour_has_no_pose(scene: Path) -> None:
    blank, photo = photos_of(scene)
    blank = type(blank)(blank.name, np.full((*SIZE[::-1], 3), 90, dtype=np.uint8), blank.K)
    pose = TwoViewEstimator(Method(**PARTS), scene).estimate(blank, photo).pose
    assert not pose.success
    assert "no keypoints" in pose.reason

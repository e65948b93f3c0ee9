"""The validator finds every kind of problem, and only where there is one."""

import zipfile

import numpy as np
import pytest
from support.mapfree_files import frame, pose_line, random_pose, write_scene

from mickey_hloc.cli import main
from mickey_hloc.evaluation.validation import KINDS, expected_frames, validate_submission

GOOD = {n: random_pose(np.random.default_rng(n)) for n in range(11)}


@pytest.fixture
def dataset(tmp_path):
    write_scene(tmp_path / "data" / "test" / "s00007", GOOD, withheld=True)
    return tmp_path / "data"


def lines():
    """A correct file: the scored frames 0, 5 and 10, and one more."""
    return {n: pose_line(frame(n), GOOD[n], 0.5) for n in (0, 4, 5, 10)}


def kinds(dataset, tmp_path, text, name="pose_s00007.txt", track="single"):
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return [(p.kind, p.line) for p in validate_submission(path, expected_frames(dataset, "test", track))]


def test_a_correct_submission_has_no_problem(dataset, tmp_path, capsys):
    text = "# a comment\n\n" + "".join(lines().values())
    assert kinds(dataset, tmp_path, text) == []
    assert kinds(dataset, tmp_path, pose_line(frame(9), GOOD[9], 1.0), track="multi9") == []
    arguments = ["validate", str(tmp_path / "s.zip"), "--dataset", str(dataset), "--track", "multi9"]
    assert main(arguments) == 0
    assert "is correct" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("number", lambda line: line.replace(" 0.5\n", " nan\n")),
        ("number", lambda line: line.replace(" 0.5\n", " high\n")),
        ("number", lambda line: line.replace(" 0.5\n", " inf\n")),
        ("tensor", lambda line: line.replace(" 0.5\n", " tensor(0.5)\n")),
        ("tensor", lambda line: line.replace(" 0.5\n", " tensor([0.5], device='cuda:0')\n")),
        ("fields", lambda line: line.replace(" 0.5\n", "\n")),
        ("fields", lambda line: line.replace(" ", "\t")),
        ("fields", lambda line: line.replace(" 0.5", "  0.5")),
        ("frame_name", lambda line: line.replace("frame_00005.jpg", "five")),
        ("quaternion", lambda line: "seq1/frame_00005.jpg 0 0 0 0 1 1 1 0.5\n"),
        ("quaternion", lambda line: "seq1/frame_00005.jpg 1 1 0 0 1 1 1 0.5\n"),
        ("confidence", lambda line: line.replace(" 0.5\n", " -0.5\n")),
        ("unknown_frame", lambda line: line.replace("00005", "00777")),
        ("unknown_frame", lambda line: line.replace("seq1/", "")),
    ],
)
def test_each_problem_of_a_line_is_found_there(dataset, tmp_path, kind, change):
    changed = lines()
    changed[5] = change(changed[5])
    found = kinds(dataset, tmp_path, "".join(changed.values()))
    assert found[0] == (kind, 3)
    # the benchmark knows no pose of the frame then, unless it takes the line as it is
    assert found[1:] in ([], [("missing_frame", 0)])
    assert kind in KINDS


def test_duplicate_lines_name_the_first(dataset, tmp_path):
    path = tmp_path / "s.zip"
    assert kinds(dataset, tmp_path, "".join(lines().values()) + lines()[5]) == [("duplicate_frame", 5)]
    problem = validate_submission(path)[0]
    assert "already in line 3" in str(problem)
    assert str(problem).startswith("pose_s00007.txt, line 5:")


def test_the_reference_is_no_query(dataset, tmp_path):
    text = "".join(lines().values()) + "seq0/frame_00000.jpg 1 0 0 0 0 0 0 1\n"
    assert kinds(dataset, tmp_path, text) == [("unknown_frame", 5)]


@pytest.mark.parametrize("name", ["pose_s99999.txt", "folder/pose_s00007.txt", "s00007.txt"])
def test_files_in_the_wrong_place(dataset, tmp_path, name):
    assert kinds(dataset, tmp_path, "".join(lines().values()), name) == [("unknown_scene", 0), ("missing_scene", 0)]


def test_missing_frames_are_a_problem_unless_allowed(dataset, tmp_path, capsys):
    assert kinds(dataset, tmp_path, lines()[0]) == [("missing_frame", 0), ("missing_frame", 0)]
    arguments = ["validate", str(tmp_path / "s.zip"), "--dataset", str(dataset)]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "seq1/frame_00005.jpg" in printed
    assert "has 2 problems" in printed
    assert main([*arguments, "--allow-missing-frames"]) == 0
    assert "2 scored frames have no pose" in capsys.readouterr().out


def test_without_the_dataset_only_lines_are_checked(dataset, tmp_path, capsys):
    kinds(dataset, tmp_path, lines()[0].replace("00000", "00777"))
    assert main(["validate", str(tmp_path / "s.zip")]) == 0
    assert "not looked for" in capsys.readouterr().err


def test_long_lists_are_cut(dataset, tmp_path, capsys):
    kinds(dataset, tmp_path, "x\n" * 30)
    assert main(["validate", str(tmp_path / "s.zip"), "--limit", "2"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("(30):")
    assert printed[3].strip() == "... and 28 more"

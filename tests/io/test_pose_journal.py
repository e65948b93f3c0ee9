"""The crash-safe poses writer: cut anywhere, it goes on with what is whole."""

import numpy as np
import pycolmap
import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pose_journal import PoseJournal, combined
from mickey_hloc.io.poses import read_poses

PAIRS = [(f"seq0/{i}.jpg", f"seq1/{i + 1}.jpg") for i in range(6)]
INPUTS = {pair: f"abc{i}" for i, pair in enumerate(PAIRS)}


def pose(i: int) -> RelativePose:
    if i % 3 == 2:
        return RelativePose.failure(f"{i} matches, 3 are needed")
    rotation = pycolmap.Rotation3d(np.random.default_rng(i).normal(size=3))
    return RelativePose(True, pycolmap.Rigid3d(rotation, np.full(3, i / 7)), score=i, confidence=i / 10)


def write_all(path, origin='{"solver": "a"}', upto=None, finish=True):
    with PoseJournal(path, origin) as journal:
        for i, pair in enumerate(PAIRS[:upto]):
            if pair not in journal.reasons:
                journal.add({pair: pose(i)}, {pair: INPUTS[pair]})
        if finish:
            journal.finish(PAIRS)
    return path.read_bytes() if finish else b""


def test_poses_are_read_back(tmp_path):
    path = tmp_path / "poses.txt"
    write_all(path)
    assert [p.name for p in tmp_path.iterdir()] == ["poses.txt"]
    found = read_poses(path)
    assert list(found) == PAIRS
    for i, got in enumerate(found.values()):
        assert (got.success, got.score, got.reason) == (pose(i).success, pose(i).score, pose(i).reason)


def test_a_journal_cut_anywhere_gives_the_same_file(tmp_path):
    whole = write_all(tmp_path / "whole.txt")
    path = tmp_path / "poses.txt"
    journal = tmp_path / "poses.txt.journal"
    write_all(path, upto=4, finish=False)
    content = journal.read_bytes()
    for cut in range(0, len(content), 23):
        path.unlink(missing_ok=True)
        journal.write_bytes(content[:cut])
        assert write_all(path) == whole
        assert not journal.exists()


def test_a_finished_file_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "poses.txt"
    whole = write_all(path)
    with PoseJournal(path, '{"solver": "a"}') as journal:
        assert journal.finished == set(PAIRS)
        assert journal.finished_input == combined(INPUTS.values())
        journal.inputs.update(INPUTS)  # as computed again
        journal.finish(PAIRS)
    assert path.read_bytes() == whole


def test_another_origin_is_refused_for_file_and_journal(tmp_path):
    path = tmp_path / "poses.txt"
    whole = write_all(path)
    with pytest.raises(InputError, match='solver: "a" there, "b" now'), PoseJournal(path, '{"solver": "b"}'):
        pass
    path.unlink()
    write_all(path, upto=2, finish=False)
    with pytest.raises(InputError, match=r"poses.txt.journal was made otherwise"), PoseJournal(path, '{"solver": "b"}'):
        pass
    with PoseJournal(path, '{"solver": "b"}', overwrite=True) as journal:
        assert not journal.reasons
    assert write_all(path) == whole


def test_only_one_writer(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "poses.txt"
    code = (
        "import sys\nfrom pathlib import Path\nfrom mickey_hloc.io.pose_journal import PoseJournal\n"
        "from mickey_hloc.errors import InputError\n"
        "try:\n    PoseJournal(Path(sys.argv[1]), '{}').__enter__()\nexcept InputError as e:\n    print(e)\n"
    )
    with PoseJournal(path, '{"solver": "a"}'):
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "Another process is writing" in done.stdout

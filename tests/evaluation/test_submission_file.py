"""Submission files: written and read back, the same bytes each time, hostile and damaged zips refused."""

import zipfile

import numpy as np
import pycolmap
import pytest
from support.mapfree_files import frame, pose_line, random_pose

from mickey_hloc.errors import InputError
from mickey_hloc.evaluation import submission as module
from mickey_hloc.evaluation.submission import Estimate, read_submission, write_submission


def test_round_trip_and_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    scenes = {s: {frame(n): Estimate(random_pose(rng), 10.0 ** -(3 * n)) for n in (5, 0)} for s in ("s2", "s1")}
    first = write_submission(tmp_path / "a.zip", scenes)
    other_order = {s: dict(reversed(scenes[s].items())) for s in reversed(scenes)}
    assert first.read_bytes() == write_submission(tmp_path / "b.zip", other_order).read_bytes()
    read = read_submission(first)
    assert list(read) == ["s1", "s2"]
    for scene, estimates in scenes.items():
        for name, estimate in estimates.items():
            got = read[scene][int(name[-9:-4])]
            np.testing.assert_allclose(got.cam_from_world.matrix(), estimate.cam_from_world.matrix(), atol=1e-8)
            assert got.confidence == estimate.confidence


@pytest.mark.parametrize(
    "estimate",
    [
        Estimate(pycolmap.Rigid3d(np.full((3, 4), np.nan)), 1.0),
        Estimate(pycolmap.Rigid3d(), float("nan")),
        Estimate(pycolmap.Rigid3d(), -1.0),
    ],
)
def test_what_the_benchmark_refuses_is_not_written(tmp_path, estimate):
    with pytest.raises(InputError, match="leave a failed frame out"):
        write_submission(tmp_path / "a.zip", {"s": {frame(0): estimate}})
    assert list(tmp_path.iterdir()) == []


def test_line_ends_of_all_systems(tmp_path):
    poses = [random_pose(np.random.default_rng(n)) for n in range(3)]
    text = "".join(pose_line(frame(n), pose, 1.0) for n, pose in enumerate(poses))
    for end in ("\n", "\r\n", "\r"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("pose_s.txt", text.replace("\n", end))
        assert sorted(read_submission(tmp_path / "a.zip")["s"]) == [0, 1, 2]


def test_damaged_and_hostile_zips(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pose_s.txt", "x" * 1000)
        archive.writestr("../../pose_t.txt", "y")
    assert read_submission(path).keys() == {"s"}  # a path that points outside is no scene, and nothing is unpacked
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 1000, b"x" * 999 + b"y"))
    with pytest.raises(InputError, match="not a readable zip"):
        read_submission(path)
    path.write_bytes(content)
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 100)
    with pytest.raises(InputError, match="no pose file"):
        read_submission(path)
    monkeypatch.setattr(module, "MAX_MEMBERS", 1)
    with pytest.raises(InputError, match="no submission"):
        read_submission(path)


def test_text_in_another_encoding(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("pose_s.txt", b"\xff\xfe1\x00")
    with pytest.raises(InputError, match=r"pose_s\.txt is not UTF-8"):
        read_submission(tmp_path / "a.zip")


def test_what_macos_and_others_add_to_a_zip_is_ignored_as_the_benchmark_does(tmp_path):
    rng = np.random.default_rng(0)
    path = write_submission(tmp_path / "a.zip", {"s1": {frame(0): Estimate(random_pose(rng), 1.0)}})
    before = read_submission(path)
    with zipfile.ZipFile(path, "a") as archive:
        for name in (".DS_Store", "__MACOSX/._pose_s1.txt", "._pose_s1.txt", "preview.png"):
            archive.writestr(name, b"\x00\x00\x00\x01Bud1\xff")
    read = read_submission(path)
    assert {scene: list(frames) for scene, frames in read.items()} == {s: list(f) for s, f in before.items()}
    assert set(module.read_members(path)) == {"pose_s1.txt", "preview.png"}

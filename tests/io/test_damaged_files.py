"""Files with random damage, and HDF5 files of other programs: what can be read, or one sentence; never a crash."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.posed_scenes import make_scene

from mickey_hloc.errors import InputError
from mickey_hloc.evaluation import submission
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.hdf5 import read_attributes
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.npz import read_npz
from mickey_hloc.io.origin import ORIGIN_KEY, origin_values
from mickey_hloc.io.stored_arrays import StoredArrays

COUNT = 5000 if os.environ.get("MICKEY_LONG_TESTS") == "1" else 40  # of each kind
GOOD, BAD = "seq0/frame_00000.jpg", "seq1/frame_00001.jpg"


def test_random_damage_is_read_or_refused(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, "-m", "support.mutated_files", str(tmp_path), str(COUNT), "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=7200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for kind, found in json.loads(done.stdout).items():
        print(kind, found)
        assert found["tried"] == COUNT, kind
        assert found["bad"] == {}, kind


def _strings(group: h5py.Group) -> None:
    group["keypoints"] = np.array([b"1 2", b"3 4"])


def _compound(group: h5py.Group) -> None:
    group["keypoints"] = np.zeros(3, dtype=[("x", "f4"), ("y", "f4")])


def _empty(group: h5py.Group) -> None:
    group["keypoints"] = h5py.Empty("f4")


def _huge(group: h5py.Group) -> None:
    group.create_dataset("keypoints", shape=(10**12, 2), dtype="f4", chunks=(1024, 2))


def _circle(group: h5py.Group) -> None:
    group["keypoints"] = h5py.SoftLink(f"/{BAD}/other")
    group["other"] = h5py.SoftLink(f"/{BAD}/keypoints")


def _elsewhere(group: h5py.Group) -> None:
    group["keypoints"] = h5py.ExternalLink("/etc/hostname", "/")


def _raw_elsewhere(group: h5py.Group) -> None:
    group.create_dataset("keypoints", shape=(1, 2), dtype="u1", external=[("/etc/hostname", 0, 2)])


def _no_size(group: h5py.Group) -> None:
    group["keypoints"] = np.zeros((2, 2))
    group["image_size"] = np.array([np.nan, 480.0])


def _scalar(group: h5py.Group) -> None:
    group["keypoints"] = 3.0


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = make_scene(tmp_path, num_images=2, num_points=20).features
    with h5py.File(path, "a") as file:
        file[GOOD]["descriptors"] = np.ones((4, 20), np.float32)
        file[GOOD]["made_by"] = "another program"
        del file[BAD]
    return path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_strings, r"of type \|S3, but must be an array of numbers"),
        (_compound, "must be an array of numbers"),
        (_empty, "is empty, but must be an array of numbers"),
        (_huge, "8000 GB: more than features or matches have"),
        (_circle, "link that leads in a circle"),
        (_elsewhere, "a link to another file, which is not followed"),
        (_raw_elsewhere, "lies in another file, which is not read"),
        (_no_size, "expected a width and a height in pixels"),
        (_scalar, r"shape \(\)"),
    ],
)
def test_what_is_no_array_of_numbers_costs_its_image(features: Path, spoil, message: str) -> None:
    with h5py.File(features, "a") as file:
        spoil(file.create_group(BAD))
    with FeatureFile(features) as file:
        assert file.read(GOOD).keypoints.shape == (20, 2)
        with pytest.raises(InputError, match=message):
            file.read(BAD)
    with StoredArrays(features) as arrays:
        assert "made_by" not in arrays.read(GOOD)
        with pytest.raises(InputError):
            arrays.read(BAD)


def test_a_whole_group_in_another_file_is_not_followed(features: Path) -> None:
    with h5py.File(features, "a") as file:
        file[BAD] = h5py.ExternalLink("other.h5", "/")
        file["itself"] = file["/"]  # a circle of hard links
    with FeatureFile(features) as file:
        assert file.names() == [GOOD]
        with pytest.raises(InputError, match="not followed"):
            file.read(BAD)


def test_attributes_that_make_no_sense_are_none(features: Path) -> None:
    with h5py.File(features, "a") as file:
        file.attrs[ORIGIN_KEY] = "no json"
        file.attrs["list"] = np.arange(3)
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["number"] = np.float32(2)
        assert read_attributes(file) == {ORIGIN_KEY: "no json", "number": 2.0}
        assert origin_values(read_attributes(file)) == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("matching_scores0", np.array([-1.0, 0.5]), "negative scores or NaN"),
        ("matching_scores0", np.array([np.nan, 0.5]), "negative scores or NaN"),
        ("matches0", np.array([0.5, 1.0]), "not whole"),
        ("matches0", np.array([np.nan, 1.0]), "not whole"),
        ("features_crc", np.arange(3), "3 numbers"),
    ],
)
def test_matches_that_make_no_sense_are_named(tmp_path: Path, key: str, value: np.ndarray, message: str) -> None:
    path = tmp_path / "matches.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("a/b")
        arrays = {"matches0": np.array([1, 0]), "matching_scores0": np.array([1.0, 0.5]), key: value}
        for name, array in arrays.items():
            group[name] = array
    with MatchFile(path) as matches:
        read = matches.features_checksums if key == "features_crc" else matches.read
        with pytest.raises(InputError, match=f"{key}.*{message}"):
            read("a", "b")


def test_a_header_that_lies_is_believed_as_far_as_its_bytes_go(tmp_path: Path) -> None:
    path = tmp_path / "lying.npz"
    header = b"\x93NUMPY\x01\x00v\x00" + (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 20000), }".ljust(117) + b"\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", header + b"\0" * 64)
    with pytest.raises(InputError, match="64 bytes where its header says 1600000000"):
        read_npz(path, "depth", "depth file")


def test_zip_bombs_are_refused_while_they_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for scene in range(4):
            archive.writestr(f"pose_s{scene:05d}.txt", "\n" * 3000)
    assert len(submission.read_submission(path)) == 4
    monkeypatch.setattr(submission, "MAX_TOTAL_BYTES", 10_000)
    with pytest.raises(InputError, match=r"pose_s00003.txt unpacks to more than 1000 bytes"):
        submission.read_submission(path)
    monkeypatch.setattr(submission, "MAX_MEMBER_BYTES", 2000)
    with pytest.raises(InputError, match=r"pose_s00000.txt unpacks to more than 2000 bytes"):
        submission.read_submission(path)

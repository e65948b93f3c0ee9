"""Poses files: what is written is read back, failures stay failures, broken lines are named."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import (
    one_line,
    read_absolute_poses,
    read_poses,
    rigid3d_from_wxyz,
    write_absolute_poses,
    write_poses,
    wxyz_from_rigid3d,
)

coordinate = st.floats(-1e3, 1e3, allow_nan=False)
quaternion = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 1e-3)


def pose(q: tuple[float, ...], t: tuple[float, ...], score: float = 3.5, confidence: float = 0.25) -> RelativePose:
    return RelativePose(True, rigid3d_from_wxyz([*q, *t]), score=score, confidence=confidence)


@settings(max_examples=50, deadline=None)
@given(
    q=quaternion, t=st.tuples(coordinate, coordinate, coordinate), score=st.floats(0, 1e6), confidence=st.floats(0, 1)
)
def test_a_pose_survives_the_file(tmp_path_factory, q, t, score, confidence):
    path = tmp_path_factory.mktemp("poses") / "poses-x.txt"
    written = pose(q, t, score, confidence)
    write_poses(path, {("a/0.jpg", "b/1.jpg"): written})
    read = read_poses(path)[("a/0.jpg", "b/1.jpg")]
    assert read.success
    np.testing.assert_allclose(read.R, written.R, atol=1e-14)
    np.testing.assert_array_equal(read.t, written.t)
    assert (read.score, read.confidence) == (score, confidence)


def test_the_direction_and_order_of_numbers(tmp_path):
    path = tmp_path / "p.txt"
    s = np.sqrt(0.5)
    path.write_text(f"# a comment\n\na b {s} 0 0 {s} 1 2 3 10 0.5\n")  # 90 degrees about z
    read = read_poses(path)["a", "b"]
    np.testing.assert_allclose(read.R, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(read.cam1_from_cam0 * np.array([1.0, 0, 0]), [1, 3, 3], atol=1e-12)


def test_failures_are_comments_with_their_reason(tmp_path):
    path = tmp_path / "p.txt"
    write_poses(
        path, {("a", "b"): RelativePose.failure("3 matches:\nat least 5"), ("a", "c"): pose((1, 0, 0, 0), (0, 0, 1))}
    )
    text = path.read_text()
    assert "# failed a b: 3 matches: at least 5" in text
    assert sum(not line.startswith("#") for line in text.splitlines()) == 1
    read = read_poses(path)
    assert not read["a", "b"].success
    assert read["a", "b"].reason == "3 matches: at least 5"
    assert np.isnan(read["a", "b"].t).all()


def test_same_poses_same_bytes(tmp_path):
    poses = {("a", "b"): pose((-0.5, 0.5, 0.5, -0.5), (-0.0, 1 / 3, 2e-17))}
    first, second = (write_poses(tmp_path / name, poses).read_bytes() for name in ("1", "2"))
    assert first == second
    write_poses(tmp_path / "3", read_poses(tmp_path / "1"))
    assert (tmp_path / "3").read_bytes() == first


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b 1 0 0 0 0 0 0 1", "11 fields"),
        ("a b 1 0 0 0 0 0 x 1 1", "not a number"),
        ("a b 1 0 0 0 0 0 nan 1 1", "not a finite number"),
        ("a b 0 0 0 0 0 0 0 1 1", "norm 0"),
        ("a b 2 0 0 0 0 0 0 1 1", "norm 2"),
        ("# failed a b", "# failed name0 name1: reason"),
        ("a b 1 0 0 0 0 0 0 1 1\na b 1 0 0 0 0 0 0 1 1", "line 3"),
    ],
)
def test_broken_lines_are_named(tmp_path, line, message):
    path = tmp_path / "poses-x.txt"
    path.write_text(f"# header\n{line}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_poses(path)
    assert "poses-x.txt, line " in str(caught.value)


def test_a_pose_that_is_not_finite_is_never_written(tmp_path):
    bad = RelativePose(True, pycolmap.Rigid3d(np.full((3, 4), np.nan)))
    with pytest.raises(InputError, match="mark it as failed"):
        write_poses(tmp_path / "p.txt", {("a", "b"): bad})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with space.jpg", "", "#1.jpg"])
def test_names_that_would_break_the_format_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="rename the image"):
        write_poses(tmp_path / "p.txt", {(name, "b"): pose((1, 0, 0, 0), (0, 0, 0))})


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="No poses file"):
        read_poses(tmp_path / "absent.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a readable poses file"):
        read_poses(tmp_path / "b.txt")


def test_absolute_poses_round_trip_and_withheld_ones(tmp_path):
    poses = {"seq1/a.jpg": rigid3d_from_wxyz([0.5, 0.5, -0.5, 0.5, 1, 2, 3])}
    path = write_absolute_poses(tmp_path / "results.txt", poses)
    read = read_absolute_poses(path)["seq1/a.jpg"]
    assert read is not None
    np.testing.assert_allclose(wxyz_from_rigid3d(read), wxyz_from_rigid3d(poses["seq1/a.jpg"]), atol=1e-15)
    path.write_text("# header of eight fields x y z w\nx 0 0 0 0 0 0 0\n")
    assert read_absolute_poses(path) == {"x": None}
    path.write_text("x 0 0 0 0 1 0 0\n")
    with pytest.raises(InputError, match="line 1: the quaternion"):
        read_absolute_poses(path)


name_text = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8).filter(
    lambda name: name.split() == [name] and not name.startswith("#")
)
names = st.one_of(
    name_text, name_text.map(lambda name: name + ":"), st.sampled_from(["a:", "::", "b.jpg:", "[estimate"])
)
word = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["[estimate", "[estimate none]", "[estimate 1 0 0 0 0 0 0 1 1]", "]", ": ", "# failed a b: c", "\0"]
    ),
)


@given(
    pair=st.tuples(names, names),
    reason=st.lists(word, max_size=5).map(" ".join),
    refused=st.one_of(st.none(), st.tuples(quaternion, st.tuples(coordinate, coordinate, coordinate))),
)
def test_names_and_reasons_survive_the_file_whatever_they_are(tmp_path_factory, pair, reason, refused):
    path = tmp_path_factory.mktemp("poses") / "p.txt"
    failure = RelativePose.failure(reason)
    if refused is not None:
        estimate = rigid3d_from_wxyz([*refused[0], *refused[1]])
        failure = replace(failure, estimate=estimate, score=2.0, confidence=0.125)
    write_poses(path, {pair: failure, ("next", "pair"): pose((1, 0, 0, 0), (0, 0, 1))})
    read = read_poses(path)
    assert list(read) == [pair, ("next", "pair")]
    assert not read[pair].success
    assert read[pair].reason == (one_line(reason) or "no reason given")
    assert read[pair].has_estimate is (refused is not None)
    if refused is not None:
        np.testing.assert_array_equal(read[pair].estimate.translation, failure.estimate.translation)
        assert (read[pair].score, read[pair].confidence) == (2.0, 0.125)


def test_an_indented_failure_is_one_and_a_damaged_header_is_named(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("  # indented\n\t# failed a b: dark\r\n", encoding="utf-8-sig")
    assert read_poses(path)["a", "b"].reason == "dark"
    path.write_text("name0 name1 qw qx qy qz tx ty tz score confidence\n")
    with pytest.raises(InputError, match="line 1: 'qw' is not a number"):
        read_poses(path)


def test_reasons_that_are_no_utf8_are_written_spelt_out(tmp_path):
    bad = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_poses(tmp_path / "p.txt", {("a", "b"): RelativePose.failure(f"{bad} does not exist")})
    assert read_poses(tmp_path / "p.txt")["a", "b"].reason == "caf\\xe9.jpg does not exist"
    with pytest.raises(InputError, match=r"'caf\\xe9\.jpg'"):
        write_poses(tmp_path / "p.txt", {(bad, "b"): RelativePose.failure("dark")})

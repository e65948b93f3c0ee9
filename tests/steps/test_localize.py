"""Absolute poses from relative ones: exact, either order of a pair, outlier references rejected, failures said."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from support.posed_scenes import motion_error, random_motion

from mickey_hloc import localize
from mickey_hloc.cli import main as cli
from mickey_hloc.cli.localize_sfm import pairs_with_map
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.poses import read_absolute_poses, write_absolute_poses, write_poses

QUERY = "query/q.jpg"


def relative(pose: pycolmap.Rigid3d, confidence: float = 0.8) -> RelativePose:
    return RelativePose(True, pose, score=10.0, confidence=confidence)


@pytest.fixture
def world():
    """The query's pose and those of six references."""
    random = np.random.default_rng(1)
    return random_motion(random), {f"db/{i}.jpg": random_motion(random, 1.0, 2.0) for i in range(6)}


def exact_pairs(query, references):
    """Alternately query first and reference first."""
    pairs = {}
    for i, (name, pose) in enumerate(references.items()):
        if i % 2:
            pairs[QUERY, name] = relative(pose * query.inverse())
        else:
            pairs[name, QUERY] = relative(query * pose.inverse())
    return pairs


@pytest.mark.parametrize("count", [1, 2, 6])
def test_exact_relative_poses_give_the_exact_pose(world, count):
    query, references = world
    found = localize.localize(
        exact_pairs(query, references), references, options=localize.LocalizeOptions(max_references=count)
    )
    assert motion_error(found[QUERY].cam_from_world, query) < 1e-6
    assert found[QUERY].inliers == list(references)[:count]
    assert found[QUERY].confidence == pytest.approx(0.8)


def test_outlier_references_are_rejected(world):
    query, references = world
    pairs = exact_pairs(query, references)
    random = np.random.default_rng(2)
    for pair in list(pairs)[:2]:  # the first ones, with the highest confidence
        pairs[pair] = relative(random_motion(random, 1.0, 3.0), confidence=1.0)
    found = localize.localize(pairs, references)[QUERY]
    assert motion_error(found.cam_from_world, query) < 1e-6
    assert found.inliers == list(references)[2:]
    assert found.confidence == pytest.approx(4 * 0.8 / 6)


def test_fusing_noisy_estimates_is_better_than_one(world):
    query, references = world
    random = np.random.default_rng(5)
    errors = {1: [], 6: []}
    for _ in range(30):
        pairs = {
            (name, QUERY): relative(random_motion(random, 0.03, 0.05) * query * pose.inverse())
            for name, pose in references.items()
        }
        for count, of_count in errors.items():
            options = localize.LocalizeOptions(max_references=count)
            found = localize.localize(pairs, references, options=options)
            of_count.append(motion_error(found[QUERY].cam_from_world, query))
    assert np.median(errors[6]) < 0.7 * np.median(errors[1])


def test_pairs_far_apart_weigh_less():
    near = localize.pair_weight(relative(pycolmap.Rigid3d(pycolmap.Rotation3d(), [0.1, 0, 0])))
    far = localize.pair_weight(relative(pycolmap.Rigid3d(pycolmap.Rotation3d(), [2.0, 0, 0])))
    turned = localize.pair_weight(relative(pycolmap.Rigid3d(pycolmap.Rotation3d([0, 0.5, 0]), [0.1, 0, 0])))
    unsure = localize.pair_weight(relative(pycolmap.Rigid3d(pycolmap.Rotation3d(), [0.1, 0, 0]), confidence=0.2))
    assert near > 4 * unsure * 0.99
    assert near > 10 * turned > 0
    assert near > 10 * far > 0


def test_failures_are_said(world):
    query, references = world
    pairs = {pair: RelativePose.failure("no matches") for pair in exact_pairs(query, references)}
    assert localize.localize(pairs, references)[QUERY].reason == "none of 6 pairs has a pose"
    weak = {pair: relative(pose.cam1_from_cam0, 0.1) for pair, pose in exact_pairs(query, references).items()}
    found = localize.localize(weak, references, options=localize.LocalizeOptions(min_confidence=0.5))
    assert found[QUERY].cam_from_world is None
    assert "confidence" in found[QUERY].reason
    random = np.random.default_rng(3)
    apart = {pair: relative(random_motion(random, 2.0, 9.0)) for pair in pairs}
    found = localize.localize(apart, references, options=localize.LocalizeOptions(min_inliers=3))
    assert found[QUERY].reason == "1 of 6 references agree, 3 are needed"


def test_roles_must_be_clear(world):
    query, references = world
    pairs = exact_pairs(query, references)
    with pytest.raises(InputError, match="name the queries with --queries FILE"):
        localize.localize(pairs, {**references, QUERY: query})
    found = localize.localize(pairs, {**references, QUERY: query}, queries=[QUERY])
    assert list(found) == [QUERY]
    with pytest.raises(InputError, match="do the names agree"):
        localize.localize(pairs, {"other.jpg": query})
    with pytest.raises(InputError, match="max_references is 0"):
        localize.LocalizeOptions(max_references=0)


def test_the_command_writes_hlocs_results(tmp_path, world, capsys):
    query, references = world
    pairs = {**exact_pairs(query, references), ("query/lost.jpg", "db/0.jpg"): RelativePose.failure("dark")}
    write_poses(tmp_path / "poses.txt", pairs)
    write_absolute_poses(tmp_path / "references.txt", references)
    arguments = ["localize", str(tmp_path / "poses.txt"), "--references", str(tmp_path / "references.txt")]
    for names, written in (("full", QUERY), ("folder", QUERY), ("file", "q.jpg")):
        assert cli([*arguments, "--output", str(tmp_path / "results.txt"), "--names", names]) == 0
        results = read_absolute_poses(tmp_path / "results.txt")
        assert list(results) == [written]
        assert motion_error(results[written], query) < 1e-6
    out = capsys.readouterr().out
    assert "1 of 2 queries have a pose, 0 references rejected" in out
    assert "failed query/lost.jpg: none of 1 pairs has a pose" in out
    assert cli([*arguments, "--output", str(tmp_path / "r.txt"), "--min-confidence", "0.9"]) == 1
    assert cli(["localize", str(tmp_path / "absent.txt"), *arguments[2:], "--output", str(tmp_path / "r.txt")]) == 2


def test_names_that_would_coincide_are_refused(tmp_path, world):
    query, references = world
    pairs = {(f"cam{i}/q.jpg", "db/0.jpg"): relative(references["db/0.jpg"] * query.inverse()) for i in range(2)}
    write_poses(tmp_path / "poses.txt", pairs)
    write_absolute_poses(tmp_path / "references.txt", references)
    with pytest.raises(InputError, match="same name"):
        localize.main(
            tmp_path / "poses.txt", tmp_path / "references.txt", tmp_path / "r.txt", prepend_camera_name=False
        )


def test_queries_that_no_pair_can_pose_are_listed_with_the_reason(tmp_path, world, capsys):
    query, references = world
    pairs = {**exact_pairs(query, references), ("query/far.jpg", "db/unmapped.jpg"): relative(query)}
    found = localize.localize(pairs, references)
    assert found[QUERY].cam_from_world is not None
    unposed = "none of the 1 images it is paired with is a reference with a known pose, e.g. "
    assert found["query/far.jpg"].reason == unposed + "db/unmapped.jpg"
    asked = [QUERY, "query/far.jpg", "query/forgotten.jpg"]
    found = localize.localize(pairs, references, queries=asked)
    assert list(found) == asked
    assert found["query/forgotten.jpg"].reason == "it is in no pair"
    # A query that has a reference pose itself, as in data sets with ground truth.
    found = localize.localize(pairs, {**references, "query/far.jpg": query}, queries=asked[:2])
    assert found["query/far.jpg"].reason == unposed + "db/unmapped.jpg"

    write_poses(tmp_path / "poses.txt", pairs)
    write_absolute_poses(tmp_path / "references.txt", references)
    (tmp_path / "queries.txt").write_text("\n".join(asked), encoding="utf-8-sig")
    run = ["localize", str(tmp_path / "poses.txt"), "--references", str(tmp_path / "references.txt")]
    assert cli([*run, "--queries", str(tmp_path / "queries.txt"), "--output", str(tmp_path / "r.txt")]) == 0
    out = capsys.readouterr().out
    assert "1 of 3 queries have a pose" in out
    assert "  failed query/forgotten.jpg: it is in no pair" in out


def test_pairs_with_the_map_say_which_queries_have_none(tmp_path):
    (tmp_path / "pairs.txt").write_text("q0 m0\nq1 elsewhere\nm0 m1\n")
    queries, references = ["q0", "q1", "q2"], ["m0", "m1"]
    pairs, reasons = pairs_with_map(tmp_path / "pairs.txt", queries, references, tmp_path, {"m0": "mapped"})
    assert read_pairs(Path(pairs)) == [("q0", "m0")]
    file = tmp_path / "pairs.txt"
    assert reasons == {
        "m0": "mapped",
        "q1": f"{file} pairs it with elsewhere, which is not in the map",
        "q2": f"not in {file}",
    }
    with pytest.raises(InputError, match="no pair of a query and an image of the map"):
        pairs_with_map(file, ["q1"], ["m0"], tmp_path, {})

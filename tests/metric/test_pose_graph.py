"""Absolute poses from relative ones: exact where these are, robust where some are wrong, honest about the rest."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from support.room_depth import model_of, names, walk

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import write_poses
from mickey_hloc.io.reference_poses import read_reference_poses
from mickey_hloc.metric.pose_graph import PoseGraphOptions, average_poses
from mickey_hloc.metric.positions import solve_positions
from mickey_hloc.metric.priors import adjust_to_priors, pose_priors

Pair = tuple[str, str]


def truth(count: int = 12) -> dict[str, pycolmap.Rigid3d]:
    rng = np.random.default_rng(1)
    return {
        f"{i:02d}.jpg": pycolmap.Rigid3d(pycolmap.Rotation3d(0.4 * rng.normal(size=3)), rng.normal(size=3))
        for i in range(count)
    }


def relative(
    poses: dict[str, pycolmap.Rigid3d],
    pairs: Iterable[Pair],
    noise_m: float = 0.0,
    noise_rad: float = 0.0,
    seed: int = 0,
) -> dict[Pair, RelativePose]:
    rng = np.random.default_rng(seed)
    found = {}
    for a, b in pairs:
        wobble = pycolmap.Rigid3d(pycolmap.Rotation3d(noise_rad * rng.normal(size=3)), noise_m * rng.normal(size=3))
        found[a, b] = RelativePose(True, wobble * poses[b] * poses[a].inverse(), confidence=0.9)
    return found


def all_pairs(poses: dict[str, pycolmap.Rigid3d], reach: int = 4) -> list[Pair]:
    order = sorted(poses)
    return [(a, b) for i, a in enumerate(order) for b in order[i + 1 : i + 1 + reach]]


def position_errors(found: dict[str, pycolmap.Rigid3d], poses: dict[str, pycolmap.Rigid3d]) -> np.ndarray:
    """In the frame of the first image, which is the world of what was found."""
    first = poses[min(found)]
    return np.array(
        [
            np.linalg.norm((poses[name] * first.inverse()).inverse().translation - pose.inverse().translation)
            for name, pose in found.items()
        ]
    )


def test_exact_relative_poses_give_exact_absolute_ones() -> None:
    poses = truth()
    found = average_poses(relative(poses, all_pairs(poses)))
    assert sorted(found.cam_from_world) == sorted(poses)
    assert position_errors(found.cam_from_world, poses).max() < 1e-3
    assert not found.outliers
    assert not found.unconnected
    assert found.cycles.count > 20
    assert found.cycles.translation_m < 1e-6


def test_the_direction_of_a_pair_does_not_matter() -> None:
    poses = truth()
    pairs = [pair if i % 2 else pair[::-1] for i, pair in enumerate(all_pairs(poses))]
    found = average_poses(relative(poses, pairs))
    assert position_errors(found.cam_from_world, poses).max() < 1e-3


def test_pairs_that_contradict_are_named_and_do_no_harm() -> None:
    poses = truth()
    given = relative(poses, all_pairs(poses), noise_m=0.01, noise_rad=0.003)
    right = position_errors(average_poses(given).cam_from_world, poses)
    turned, moved = ("00.jpg", "03.jpg"), ("05.jpg", "07.jpg")
    given[turned] = RelativePose(True, pycolmap.Rigid3d(pycolmap.Rotation3d([0, 1.5, 0]), [1, 0, 0]), confidence=0.99)
    motion = given[moved].cam1_from_cam0
    given[moved] = RelativePose(
        True, pycolmap.Rigid3d(motion.rotation, motion.translation + np.array([2.0, 0.0, 0.0])), confidence=0.99
    )
    found = average_poses(given)
    assert {turned, moved} <= set(found.outliers)
    assert len(found.outliers) <= 5
    assert position_errors(found.cam_from_world, poses).max() < right.max() + 0.02


def test_the_covariances_say_how_far_positions_are_off() -> None:
    poses = truth()
    alike = PoseGraphOptions(relative_std=0.0)
    ratios = []
    for seed in range(20):
        found = average_poses(relative(poses, all_pairs(poses), noise_m=0.03, seed=seed), alike)
        for name, error in zip(found.cam_from_world, position_errors(found.cam_from_world, poses), strict=True):
            std = np.sqrt(np.trace(found.position_covariances[name]))
            ratios += [error / std] if std else []
    assert 0.6 < np.sqrt(np.mean(np.square(ratios))) < 1.5


def test_images_that_no_chain_reaches_have_no_pose() -> None:
    poses = truth()
    given = relative(poses, [p for p in all_pairs(poses) if (p[0] < "08.jpg") == (p[1] < "08.jpg")])
    given["08.jpg", "00.jpg"] = RelativePose.failure("too few matches")
    found = average_poses(given)
    assert found.unconnected == ("08.jpg", "09.jpg", "10.jpg", "11.jpg")
    assert position_errors(found.cam_from_world, poses).max() < 1e-3


def test_a_long_vector_that_is_wrong_does_not_bend_the_line() -> None:
    edges = np.array([[i, i + 1] for i in range(5)] + [[i, i + 2] for i in range(4)] + [[0, 5]])
    vectors = np.array([[j - i, 0.0, 0.0] for i, j in edges])
    vectors[-1] = [2.0, 3.0, 0.0]
    found = solve_positions(edges, vectors, np.tile(1e-4 * np.eye(3), (len(edges), 1, 1)), 6)
    np.testing.assert_allclose(found.centres[:, 0], range(6), atol=1e-3)
    assert found.inliers.tolist() == [True] * 9 + [False]
    with pytest.raises(ValueError, match="do not connect"):
        solve_positions(edges[:1], vectors[:1], np.eye(3)[None], 3)


def test_the_command_writes_what_localize_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = truth()
    given = relative(poses, all_pairs(poses), noise_m=0.01)
    write_poses(tmp_path / "pairs.txt", given)
    assert main(["pose-graph", str(tmp_path / "pairs.txt"), "--output", str(tmp_path / "graph")]) == 0
    said = capsys.readouterr().out
    assert "triangles of pairs close within" in said
    assert "12 images" in said
    assert sorted(read_reference_poses(tmp_path / "graph/poses.txt")) == sorted(poses)
    assert len((tmp_path / "graph/trajectory.txt").read_text().splitlines()) == 13


def test_wrong_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_poses(tmp_path / "pairs.txt", {("a", "b"): RelativePose.failure("dark")})
    assert main(["pose-graph", str(tmp_path / "pairs.txt"), "--output", str(tmp_path / "graph")]) == 2
    assert "None of 1 pairs has a pose" in capsys.readouterr().err
    assert not (tmp_path / "graph").exists()
    with pytest.raises(InputError):
        PoseGraphOptions(max_rotation_deg=0)


def test_positions_as_priors_bring_a_model_to_metres() -> None:
    views = walk()[0]
    model = model_of(views, units_per_metre=2.5, keypoint_std=0.3)
    rng = np.random.default_rng(0)
    places = {
        name: pycolmap.Rigid3d(view.cam_from_world).inverse().translation
        for name, view in zip(names(views), views, strict=True)
    }
    noisy = {name: place + 0.005 * rng.normal(size=3) for name, place in places.items()}
    priors = pose_priors(model, noisy, {name: 0.005**2 * np.eye(3) for name in noisy})
    assert len(priors) == 10
    adjust_to_priors(model, priors)
    found = {name: model.find_image_with_name(name).projection_center() for name in places}
    assert max(np.linalg.norm(found[name] - places[name]) for name in places) < 0.02
    with pytest.raises(InputError, match="2 images of the model have a position"):
        adjust_to_priors(model, priors[:2])

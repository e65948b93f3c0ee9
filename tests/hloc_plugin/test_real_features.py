"""DISK and LightGlue with their published weights, on real images with known poses, through hloc's own steps."""

import copy
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pycolmap
import pytest

from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.io.cameras import read_cameras
from mickey_hloc.io.poses import read_absolute_poses


class Pair(NamedTuple):
    folder: Path
    names: tuple[str, str]
    K: tuple[np.ndarray, np.ndarray]
    cam1_from_cam0: pycolmap.Rigid3d


@pytest.fixture(scope="module")
def pair(data: Path) -> Pair:
    """Two views of one scene that see much the same, some centimetres apart."""
    scene = min(path.parent for path in data.rglob("poses.txt") if (path.parent / "intrinsics.txt").is_file())
    poses = {name: pose for name, pose in read_absolute_poses(scene / "poses.txt").items() if pose is not None}
    cameras = read_cameras(scene / "intrinsics.txt")
    first = next(iter(poses))

    def difference(name: str) -> float:
        motion = poses[name] * poses[first].inverse()
        distance = float(np.linalg.norm(motion.translation))
        return abs(distance - 0.1) + float(np.linalg.norm(motion.rotation.matrix() - np.eye(3)))

    second = min((name for name in poses if name != first), key=difference)
    K0, K1 = (cameras.get(name).intrinsics.K for name in (first, second))
    return Pair(scene, (first, second), (K0, K1), poses[second] * poses[first].inverse())


def epipolar_errors_px(pair: Pair, points0: np.ndarray, points1: np.ndarray) -> np.ndarray:
    """Distance of points1 to the epipolar lines of points0."""
    x, y, z = pair.cam1_from_cam0.translation
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    E = skew @ pair.cam1_from_cam0.rotation.matrix()
    F = np.linalg.inv(pair.K[1]).T @ E @ np.linalg.inv(pair.K[0])
    lines = np.pad(points0, ((0, 0), (0, 1)), constant_values=1) @ F.T
    return np.abs((lines[:, :2] * points1).sum(1) + lines[:, 2]) / np.linalg.norm(lines[:, :2], axis=1)


@pytest.mark.parametrize("matcher", ["NN-mutual", "disk+lightglue"])
def test_matches_agree_with_the_known_motion(
    matcher: str, host: ModuleType, pair: Pair, real_weights: Path, tmp_path: Path
) -> None:
    if matcher == "disk+lightglue" and host.__name__ != "hloc":
        pytest.skip("the LightGlue of imcui downloads its weights from elsewhere")
    if matcher == "disk+lightglue":
        pytest.importorskip("lightglue", reason="LightGlue, which hloc needs for this matcher, is not installed")
    conf = copy.deepcopy(import_step(host, "extract_features").confs["disk"])
    conf["model"]["max_keypoints"] = 800
    conf["preprocessing"]["resize_max"] = 320
    features = import_step(host, "extract_features").main(conf, pair.folder, tmp_path, image_list=list(pair.names))
    (tmp_path / "pairs.txt").write_text(" ".join(pair.names))
    matcher_conf = import_step(host, "match_features").confs[matcher]
    matches = import_step(host, "match_features").main(
        matcher_conf, tmp_path / "pairs.txt", features, matches=tmp_path / "matches.h5"
    )

    io = import_step(host, "utils.io")
    found, _ = io.get_matches(matches, *pair.names)
    points0, points1 = (
        io.get_keypoints(features, name)[found[:, i]].astype(np.float64) for i, name in enumerate(pair.names)
    )
    errors = epipolar_errors_px(pair, points0, points1)
    wrong = epipolar_errors_px(pair, points0, points1[::-1])
    assert len(found) > 100
    assert np.median(errors) < 6
    assert np.median(errors) < np.median(wrong) / 4

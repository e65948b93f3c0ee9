"""hloc's DISK, with its published weights, in our commands; without hloc they say in one sentence how to get it."""

import json
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from support.hlocs import write_texture

from mickey_hloc import cli
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.hloc_plugin.host import HLOC_INSTALL
from mickey_hloc.io.features import FeatureFile

SHIFT = np.array([23, 11])  # px
FOCAL = 300.0  # px
DEPTH = 2.0  # m
NAMES = ("a.png", "b.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wall that two cameras face, the second moved along it: crops of one picture."""
    folder = tmp_path_factory.mktemp("wall")
    picture = cv2.imread(str(write_texture(folder / "whole" / "wall.png", 440, 330, seed=1)))
    random = np.random.default_rng(0)
    for _ in range(150):
        corner = random.integers(0, [420, 310])
        cv2.rectangle(picture, corner, corner + random.integers(5, 25, 2), random.integers(0, 255, 3).tolist(), -1)
    (folder / "images").mkdir()
    for name, (x, y) in zip(NAMES, ((0, 0), SHIFT), strict=True):
        cv2.imwrite(str(folder / "images" / name), picture[y : y + 300, x : x + 400])
    return folder / "images"


@pytest.mark.usefixtures("real_weights")
def test_extract(upstream: ModuleType, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same keypoints as by hloc's own step, which rounds them to 16 bit."""
    assert cli.main(["extract", str(photos), "--feature", "disk", "--output", str(tmp_path / "ours.h5")]) == 0
    assert "2 images extracted" in capsys.readouterr().out
    step = import_step(upstream, "extract_features")
    theirs = step.main(step.confs["disk"], photos, tmp_path)
    get_keypoints = import_step(upstream, "utils.io").get_keypoints
    with FeatureFile(tmp_path / "ours.h5") as features:
        for name in NAMES:
            found, expected = features.read(name, descriptors=True), get_keypoints(theirs, name)
            assert found.image_size == (400, 300)
            assert found.descriptors.shape == (128, len(found.keypoints))
            assert len(found.keypoints) == len(expected) > 200
            np.testing.assert_allclose(found.keypoints, expected, atol=0.13)  # of 400 px in 16 bit


@pytest.mark.usefixtures("real_weights", "upstream")
def test_pose(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = ["--feature", "disk", "--matcher", "NN-mutual", "--depth", f"constant:{DEPTH}"]
    assert cli.main(["pose", *(str(photos / n) for n in NAMES), "--focal", str(FOCAL), *method, "--json"]) == 0
    pose = json.loads(capsys.readouterr().out)
    expected = [*(-SHIFT * DEPTH / FOCAL), 0.0]
    np.testing.assert_allclose(pose["translation_m"], expected, atol=0.005)
    np.testing.assert_allclose(pose["quaternion_wxyz"], [1, 0, 0, 0], atol=0.003)


@pytest.mark.parametrize(
    "command",
    [
        ["extract", "{0}", "--feature", "disk", "--output", "{0}/f.h5"],
        ["pose", "{0}/a.png", "{0}/b.png", "--focal", "300", "--feature", "disk", "--matcher", "NN-mutual"],
        ["pose", "{0}/a.png", "{0}/b.png", "--focal", "300", "--feature", "sift", "--matcher", "NN-mutual"],
        ["pose", "{0}/a.png", "{0}/b.png", "--focal", "300", "--matcher", "loftr"],
    ],
    ids=lambda command: " ".join(command[:1] + command[-2:]),
)
def test_without_hloc(
    command: list[str], photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hloc", None)  # not installed
    depth = ["--depth", f"constant:{DEPTH}"] if command[0] == "pose" else []
    assert cli.main([*(word.format(photos) for word in command), *depth]) == 2
    (message,) = capsys.readouterr().err.strip().splitlines()
    assert "is none of ours" in message
    assert f"hloc is not installed; install it with: {HLOC_INSTALL}" in message

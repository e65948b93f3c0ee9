"""Pair models that give poses and depth: on the truth of a rendered room each way to a pose is below 1 cm."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import stub_geometry
from support.rendered_scenes import write_view
from support.stub_geometry import Truth

from mickey_hloc import Method, Photo, TwoViewEstimator
from mickey_hloc.errors import InputError, MissingDependencyError, PartError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.pair_models import PairMatches, get_pair_model
from mickey_hloc.pair_models.base import match_photos
from mickey_hloc.rooms import render, sample_pair

NAMES = ("a.png", "b.png")
METRIC = ("mast3r", "mapanything", "depth-anything-3")
SCALELESS = ("vggt", "reloc3r")
SMALL = {"preprocessing": {"resize_max": 224}}
MISSING = {
    "mast3r": "mast3r",
    "mapanything": "mapanything",
    "depth-anything-3": "depth_anything_3",
    "vggt": "vggt",
    "reloc3r": "reloc3r",
}


def make_truth(sizes: tuple[tuple[int, int], tuple[int, int]], focal_ratio: float, folder: Path) -> Truth:
    """Two views of a room, the second with another focal length and size, as files with sensor depth."""
    pair = sample_pair(3, (224, 168))
    world = [np.asarray(pair.view0.cam_from_world), np.asarray(pair.view1.cam_from_world)]
    Ks, images = [], []
    for name, size, pose, ratio in zip(NAMES, sizes, world, (1.0, focal_ratio), strict=True):
        focal = float(pair.view0.K[0, 0]) * ratio
        K = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
        view = render(pair.room, K, size, pose)
        write_view(folder / name, view)
        Ks.append(K)
        images.append(view.image)
    return Truth(pair.room, world, Ks, images)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("posed")


@pytest.fixture(scope="module")
def scene(folder: Path) -> Truth:
    return make_truth(((224, 168), (224, 168)), 1.0, folder)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Path]:
    """Landscape and portrait, odd sizes, two cameras."""
    folder = tmp_path_factory.mktemp("mixed")
    return make_truth(((221, 157), (163, 219)), 1.15, folder), folder


def photos_of(truth: Truth) -> list[Photo]:
    return [Photo(name, image, K) for name, image, K in zip(NAMES, truth.images, truth.Ks, strict=True)]


def errors(pose, truth: Truth) -> tuple[float, float]:
    expected = torch.from_numpy(truth.cam1_from_cam0)
    assert pose.success, pose.reason
    found = pose_errors(torch.from_numpy(pose.R), torch.from_numpy(pose.t), expected[:3, :3], expected[:3, 3])
    return float(found[0]), float(found[1])


@pytest.mark.parametrize("solver", ["predicted", "procrustes"])
@pytest.mark.parametrize("name", METRIC)
def test_metric_models_with_their_own_pose_and_by_our_solver(
    name: str, solver: str, scene: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_geometry.install(monkeypatch, scene)
    options = {"refine": True} if solver == "procrustes" else {}
    method = Method(matcher=name, solver=solver, solver_options=options, matcher_options=SMALL, accept="all")
    found = TwoViewEstimator(method).estimate(*photos_of(scene))
    degrees, metres = errors(found.pose, scene)
    assert metres < 0.01
    assert degrees < 0.3
    assert found.pose.num_inliers > 20


@pytest.mark.parametrize("name", SCALELESS)
def test_models_without_scale_take_it_from_a_depth_source(
    name: str, scene: Truth, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_geometry.install(monkeypatch, scene)
    method = Method(matcher=name, solver="predicted", depth="png:sensor", matcher_options=SMALL, accept="all")
    degrees, metres = errors(TwoViewEstimator(method, folder).estimate(*photos_of(scene)).pose, scene)
    assert metres < 0.01
    assert degrees < 0.01
    with pytest.raises(InputError, match="has no depth of its own"):
        Method(matcher=name, solver="predicted").resolve()


@pytest.mark.parametrize("name", [*METRIC, *SCALELESS])
def test_landscape_and_portrait_of_odd_sizes_and_two_cameras(
    name: str, mixed: tuple[Truth, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, folder = mixed
    stub_geometry.install(monkeypatch, truth)
    depth = None if name in METRIC else "png:sensor"
    method = Method(matcher=name, solver="predicted", depth=depth, matcher_options=SMALL, accept="all")
    found = TwoViewEstimator(method, folder).estimate(*photos_of(truth))
    degrees, metres = errors(found.pose, truth)
    assert metres < 0.02
    assert degrees < 0.3
    for features, photo in zip(found.features, photos_of(truth), strict=True):
        assert (features.keypoints >= -0.5).all()
        assert (features.keypoints <= np.array(photo.size)).all()


@pytest.mark.parametrize("name", METRIC)
def test_depth_at_the_matches_is_the_rooms(
    name: str, mixed: tuple[Truth, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, _ = mixed
    stub_geometry.install(monkeypatch, truth)
    arrays = match_photos(get_pair_model(name, **SMALL), truth.images, truth.Ks)
    for side, (image, K) in enumerate(zip(truth.images, truth.Ks, strict=True)):
        height, width = image.shape[:2]
        x, y = arrays[f"keypoints{side}"].round().astype(int).clip(0, (width - 1, height - 1)).T
        ratio = arrays[f"depths{side}"] / truth.depth(side, K, (width, height)).numpy()[y, x]
        assert abs(np.nanmedian(ratio) - 1) < 0.01


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_missing_package_is_one_sentence_with_licence_and_command(
    name: str, scene: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MISSING[name], None)
    photos = photos_of(scene)
    with pytest.raises(MissingDependencyError, match=r"weights .*(install|requirements)") as caught:
        TwoViewEstimator(Method(matcher=name, depth="constant:2")).estimate(*photos)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_model_that_uses_cameras_asks_for_them() -> None:
    model = get_pair_model("vggt")
    with pytest.raises(InputError, match="vggt needs the intrinsics of both images"):
        model.match(torch.rand(3, 28, 28), torch.rand(3, 28, 28))


def test_a_pose_that_is_none_is_refused(scene: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_geometry.install(monkeypatch, scene)
    model = get_pair_model("vggt", **SMALL)
    monkeypatch.setattr(type(model), "_predict", lambda *_: stub_geometry.SimpleNamespace(pose=np.eye(4), depths=None))
    K = torch.eye(3)
    with pytest.raises(PartError, match="must be a PredictedPose"):
        model.match(torch.rand(3, 28, 28), torch.rand(3, 28, 28), K, K)
    for wrong in (np.zeros((3, 4)), np.eye(4), np.full((3, 4), np.nan), np.diag([1.0, 1, -1, 1])[:3]):
        with pytest.raises(ValueError, match="predicted pose"):
            PredictedPose(wrong)


def test_a_pair_that_the_model_gives_up_on_fails_with_a_reason(scene: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_geometry.install(monkeypatch, scene)
    blank = Photo("blank", np.full_like(scene.images[0], 7), scene.Ks[0])
    method = Method(matcher="mapanything", solver="predicted", matcher_options=SMALL, accept="all")
    found = TwoViewEstimator(method).estimate(photos_of(scene)[0], blank).pose
    assert not found.success
    assert found.reason
    assert np.isnan(found.t).all()


def test_the_predicted_solver_needs_a_model_that_predicts() -> None:
    with pytest.raises(InputError, match="takes the pose that a pair model predicts"):
        Method(feature="sift", depth="constant:2", solver="predicted").resolve()


def test_an_inverse_and_its_arrays() -> None:
    pose = PredictedPose(np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]]), False, 0.25)
    back = pose.inverse().inverse()
    np.testing.assert_allclose(back.cam1_from_cam0, pose.cam1_from_cam0, atol=1e-12)
    again = PredictedPose.from_arrays(pose.arrays())
    assert again is not None
    assert (again.is_metric, again.confidence) == (False, 0.25)
    assert PredictedPose.from_arrays({}) is None
    assert PairMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0)).pose is None

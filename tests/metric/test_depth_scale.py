"""The scale from depth: exact with exact depth, honest about depth that is off, indifferent to unit, camera and rig."""

import warnings

import numpy as np
import pycolmap
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.room_depth import MemoryDepth, model_of, names, true_depth, walk

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.io.features import LearnedFocal
from mickey_hloc.metric.depth_scale import LEARNED_SHARED_ERROR, DepthScaleOptions, depth_scale

UNITS = 2.5
EXACT = DepthScaleOptions(shared_error=0.0, min_parallax_deg=0.0)


@pytest.fixture(scope="module")
def model() -> pycolmap.Reconstruction:
    return model_of(walk()[0], units_per_metre=UNITS)


def test_true_depth_gives_the_true_scale(model: pycolmap.Reconstruction) -> None:
    found = depth_scale(model, true_depth(walk()[0]))
    assert found.evidence.scale == pytest.approx(1 / UNITS, rel=1e-3)
    assert found.image_spread < 1e-3
    assert sum(image.weight for image in found.images) == pytest.approx(1)
    assert not found.evidence.weakness


@settings(max_examples=10)
@given(units=st.floats(1e-3, 1e3))
def test_the_unit_of_the_model_does_not_matter(units: float) -> None:
    views = walk()[0]
    found = depth_scale(model_of(views, units_per_metre=units), true_depth(views, point_std=0.2, image_std=0.1))
    same = depth_scale(model_of(views), true_depth(views, point_std=0.2, image_std=0.1))
    assert found.evidence.scale * units == pytest.approx(same.evidence.scale, rel=1e-6)
    assert found.evidence.log_std == pytest.approx(same.evidence.log_std, rel=1e-3)


def test_the_interval_holds_the_truth_as_often_as_it_says(model: pycolmap.Reconstruction) -> None:
    inside, errors = 0, []
    for seed in range(60):
        evidence = depth_scale(model, true_depth(walk()[0], point_std=0.2, image_std=0.1, seed=seed)).evidence
        low, high = evidence.interval_95
        inside += low <= 1 / UNITS <= high
        errors.append(abs(evidence.scale * UNITS - 1))
    assert 54 <= inside <= 60
    assert np.median(errors) < 0.03


def test_what_all_images_mistake_alike_widens_the_interval(model: pycolmap.Reconstruction) -> None:
    """One half of the room too far in every image: twenty images are not twenty independent opinions."""
    views = walk()[0]

    def half_off(off: float) -> MemoryDepth:
        maps = {}
        for name, view in zip(names(views), views, strict=True):
            y, x = np.mgrid[: view.depth.shape[0], : view.depth.shape[1]]
            rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(view.K).T
            world = (rays * view.depth[..., None] - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3]
            patches = (np.floor(world / 0.7).astype(int).sum(axis=-1) % 2).astype(np.float32)
            maps[name] = (view.depth * np.exp(off * (patches - 0.5))).astype(np.float32)
        return MemoryDepth(maps)

    found = depth_scale(model, half_off(0.4), EXACT)
    assert found.image_spread / np.sqrt(len(views)) * 1.5 < found.evidence.log_std
    low, high = found.evidence.interval_95
    assert low < 1 / UNITS < high


def test_an_image_that_contradicts_the_others_is_named_and_left_out(model: pycolmap.Reconstruction) -> None:
    views = walk()[0]
    found = depth_scale(model, true_depth(views, image_std=0.01, factors={"004.png": 1.6}))
    assert [image.name for image in found.images if image.is_outlier] == ["004.png"]
    assert found.evidence.scale == pytest.approx(1 / UNITS, rel=0.02)


def test_an_image_without_depth_costs_only_itself(model: pycolmap.Reconstruction) -> None:
    source = true_depth(walk()[0])
    source.maps = {name: depth for name, depth in source.maps.items() if name != "002.png"}
    found = depth_scale(model, source)
    assert {image.name: image.reason for image in found.images if image.reason} == {
        "002.png": "No depth of image '002.png'."
    }
    assert found.evidence.scale == pytest.approx(1 / UNITS, rel=1e-3)


def test_two_images_are_too_few_and_one_more_so(model: pycolmap.Reconstruction) -> None:
    source = true_depth(walk()[0])
    maps = source.maps
    for count in (1, 2):
        source.maps = dict(list(maps.items())[:count])
        found = depth_scale(model, source)
        assert f"only {count} images" in found.evidence.weakness
        assert found.evidence.log_std > 0
    assert depth_scale(model, MemoryDepth({n: maps[n] for n in list(maps)[:3]})).evidence.weakness == ""


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_depths_that_are_all_unusable_are_one_sentence(model: pycolmap.Reconstruction, value: float) -> None:
    views = walk()[0]
    maps = {name: np.full_like(view.depth, value) for name, view in zip(names(views), views, strict=True)}
    with pytest.raises(InputError, match=r"None of the 10 images .* usable depth at 0 of"):
        depth_scale(model, MemoryDepth(maps))


def test_models_without_points_or_images_are_one_sentence() -> None:
    with pytest.raises(InputError, match="0 images with a pose and 0 points"):
        depth_scale(pycolmap.Reconstruction(), MemoryDepth({}))


class ModelDepth(DepthSource):
    """Depth of a model's own points times a factor, looked up at the pixels where they were observed."""

    def __init__(self, model: pycolmap.Reconstruction, factor: float, focal: LearnedFocal | None = None) -> None:
        super().__init__()
        self.table, self.focal = {}, focal
        for image in model.images.values():
            pose = image.cam_from_world()
            for point in image.get_observation_points2D():
                depth = (pose * model.points3D[point.point3D_id].xyz)[2]
                self.table[image.name, round(point.xy[0] - 0.5, 2), round(point.xy[1] - 0.5, 2)] = depth * factor

    def _depths(self, image_name: str, keypoints: torch.Tensor) -> torch.Tensor:
        keys = [(image_name, round(x, 2), round(y, 2)) for x, y in keypoints.double().tolist()]
        return torch.tensor([self.table.get(key, np.nan) for key in keys])

    def learned_focal(self, image_name: str) -> LearnedFocal | None:
        return self.focal


def synthetic(camera_model: str = "SIMPLE_RADIAL", cameras: int = 2) -> pycolmap.Reconstruction:
    params = {
        "SIMPLE_RADIAL": [1280.0, 512.0, 384.0, 0.05],
        "OPENCV_FISHEYE": [600.0, 600.0, 512.0, 384.0, 0.01, 0.0, 0.0, 0.0],
        "PINHOLE": [1280.0, 1280.0, 512.0, 384.0],
    }
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(num_rigs=2, num_cameras_per_rig=cameras, num_frames_per_rig=4)
    options.camera_model_id = pycolmap.CameraModelId.__members__[camera_model]
    options.camera_params = params[camera_model]
    return pycolmap.synthesize_dataset(options)


@pytest.mark.parametrize("camera_model", ["SIMPLE_RADIAL", "OPENCV_FISHEYE", "PINHOLE"])
def test_distorted_cameras_and_rigs(camera_model: str) -> None:
    model = synthetic(camera_model)
    found = depth_scale(model, ModelDepth(model, 0.3), EXACT)
    assert found.evidence.scale == pytest.approx(0.3, rel=1e-4)
    assert len(found.images) == 16


def test_learned_depth_is_corrected_for_the_focal_length_on_request() -> None:
    model = synthetic("PINHOLE")
    source = ModelDepth(model, 0.3, LearnedFocal(640.0))
    with pytest.warns(UserWarning, match="learned depth at 640 px"):
        found = depth_scale(model, source, EXACT)
    assert found.evidence.scale == pytest.approx(0.3, rel=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corrected = depth_scale(model, source, DepthScaleOptions(focal_correction="depth"))
    assert corrected.evidence.scale == pytest.approx(0.6, rel=1e-4)
    assert corrected.evidence.log_std == pytest.approx(LEARNED_SHARED_ERROR, rel=0.01)


def test_options_are_checked() -> None:
    for wrong in ({"min_points": 1}, {"shared_error": -0.1}, {"focal_correction": "resize"}, {"max_points": 3}):
        with pytest.raises(InputError):
            DepthScaleOptions(**wrong)

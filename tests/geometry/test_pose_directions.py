"""Between cam_from_world, world_from_cam and camera centres: one implementation, for tensors and numpy arrays alike."""

import numpy as np
import pycolmap
import pytest
import torch

from mickey_hloc.geometry import camera_centres, inverse, relative_motion, transform, translations
from mickey_hloc.geometry.pose_arrays import pose_arrays, pose_matrix


@pytest.fixture
def poses() -> list[pycolmap.Rigid3d]:
    rng = np.random.default_rng(0)
    return [pycolmap.Rigid3d(pycolmap.Rotation3d(rng.normal(size=3)), rng.normal(size=3)) for _ in range(5)]


def test_world_from_cam_is_what_pycolmap_says(poses: list[pycolmap.Rigid3d]) -> None:
    R, centres = inverse(*pose_arrays(poses))
    for k, pose in enumerate(poses):
        np.testing.assert_allclose(R[k], pose.inverse().rotation.matrix(), atol=1e-14)
        np.testing.assert_allclose(centres[k], pose.inverse().translation, atol=1e-14)


def test_tensors_and_arrays_give_the_same(poses: list[pycolmap.Rigid3d]) -> None:
    arrays = pose_arrays(poses)
    tensors = [torch.from_numpy(array) for array in arrays]
    for convert in (camera_centres, translations):
        found = convert(*arrays)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(convert(*tensors).numpy(), found, atol=1e-15)
        np.testing.assert_allclose(convert(arrays[0][0], arrays[1][0]), found[0], atol=1e-15)  # one camera


def test_a_camera_centre_is_the_origin_of_its_camera_and_back(poses: list[pycolmap.Rigid3d]) -> None:
    R, t = pose_arrays(poses)
    centres = camera_centres(R, t)
    np.testing.assert_allclose(transform(R, t, centres[:, None]), np.zeros((5, 1, 3)), atol=1e-14)
    np.testing.assert_allclose(translations(R, centres), t, atol=1e-14)
    for once, twice in zip((R, t), inverse(*inverse(R, t)), strict=True):
        np.testing.assert_allclose(twice, once, atol=1e-14)


def test_relative_motion_leads_from_the_first_camera_to_the_second(poses: list[pycolmap.Rigid3d]) -> None:
    first, second = poses[:2]
    found = relative_motion(pose_matrix(first), pose_matrix(second))
    np.testing.assert_allclose(found, (second * first.inverse()).matrix(), atol=1e-14)
    many = relative_motion(*(np.stack([pose_matrix(p) for p in some]) for some in (poses[:-1], poses[1:])))
    assert many.shape == (4, 3, 4)
    np.testing.assert_allclose(many[0], found, atol=1e-15)

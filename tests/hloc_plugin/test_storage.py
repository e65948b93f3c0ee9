"""hloc's own main() stores float32 as float16; keypoints, depths and scores have to survive that at any image size."""

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pycolmap
import pytest
import torch
from support.hlocs import TinyConfs, write_texture

from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.weights.checkpoints import load_model

SIZES = {"small": (150, 131), "full-hd": (1920, 1080), "photo": (4000, 3000)}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        write_texture(folder / "nested" / f"{name}.jpg", width, height, seed)
    return folder


@pytest.fixture(scope="module")
def features(host: ModuleType, tiny: TinyConfs, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_step(host, "extract_features").main(tiny.feature, images, tmp_path_factory.mktemp("features"))


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_stored_numbers_are_the_models(
    name: str, size: tuple[int, int], host: ModuleType, tiny: TinyConfs, images: Path, features: Path
) -> None:
    preprocessed = import_step(host, "extract_features").ImageDataset(images, tiny.feature["preprocessing"])
    image = torch.from_numpy(preprocessed[preprocessed.names.index(f"nested/{name}.jpg")]["image"])
    model = load_model(tiny.feature["model"]["weights"], tiny.feature["model"]["encoder"], "cpu", "fp32")
    with torch.no_grad():
        expected = model(image[None])
    scale = np.array(size) / np.array([image.shape[-1], image.shape[-2]])
    keypoints = (expected.keypoints[0].double().numpy() + 0.5) * scale - 0.5  # hloc's convention

    with h5py.File(features) as file:
        group = file[f"nested/{name}.jpg"]
        stored = {key: dataset[()] for key, dataset in group.items()}
    assert set(stored) == {"keypoints", "depths", "keypoint_scores", "descriptors", "image_size"}
    assert stored["image_size"].tolist() == list(size)
    np.testing.assert_allclose(stored["keypoints"], keypoints, rtol=0, atol=2e-6 * max(size))
    np.testing.assert_allclose(stored["depths"], expected.depths[0], rtol=1e-5)
    np.testing.assert_allclose(stored["keypoint_scores"], expected.keypoint_scores[0], rtol=1e-4)
    np.testing.assert_allclose(stored["descriptors"], expected.descriptors[0], rtol=1e-3, atol=1e-6)
    assert stored["keypoint_scores"].sum() == pytest.approx(1, abs=1e-4)


def test_float16_would_have_done_damage(host: ModuleType, features: Path) -> None:
    get_keypoints = import_step(host, "utils.io").get_keypoints
    keypoints = get_keypoints(features, "nested/photo.jpg")
    moved = np.abs(keypoints.astype(np.float16).astype(np.float64) - keypoints).max()
    assert moved > 0.5


def test_hlocs_readers_and_colmap_read_them(host: ModuleType, features: Path, tmp_path: Path) -> None:
    io = import_step(host, "utils.io")
    assert sorted(io.list_h5_names(features)) == sorted(f"nested/{name}.jpg" for name in SIZES)
    keypoints, uncertainty = io.get_keypoints(features, "nested/photo.jpg", return_uncertainty=True)
    assert uncertainty == pytest.approx(4000 / 720)

    with pycolmap.Database.open(str(tmp_path / "database.db")) as database:
        camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=4000, height=3000, params=[3000, 2000, 1500])
        camera_id = database.write_camera(camera)
        image_id = database.write_image(pycolmap.Image(name="photo.jpg", camera_id=camera_id))
        database.write_keypoints(image_id, keypoints + 0.5)  # as hloc.triangulation does
        read = database.read_keypoints(image_id)
    np.testing.assert_allclose(read, keypoints + 0.5, rtol=2e-7)

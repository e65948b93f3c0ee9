"""What an extractor must not return: the base refuses it with a sentence that names the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mickey_hloc.errors import MickeyHlocError, PartError
from mickey_hloc.features import Extractor, ExtractorOptions

IMAGES = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
NAN = np.float32("nan")


def good(count: int = 5) -> dict[str, Any]:
    return {
        "keypoints": np.ones((count, 2), dtype=np.float32),
        "descriptors": np.ones((8, count), dtype=np.float32),
        "keypoint_scores": np.ones(count, dtype=np.float32),
        "depths": np.full(count, NAN),  # unknown depth is no fault
    }


class Given(Extractor):
    """Returns what it is told to."""

    Options = ExtractorOptions
    datasets = frozenset({"descriptors", "keypoint_scores"})

    def __init__(self, found: Callable[[], Any]) -> None:
        super().__init__()
        self.found = found

    def _extract(self, images: torch.Tensor) -> Any:
        return self.found()


def changed(**arrays: Any) -> Callable[[], Any]:
    """Second of two results changed; None takes an array away."""
    found = {key: value for key, value in {**good(), **arrays}.items() if value is not None}
    return lambda: [good(), found]


BROKEN = {
    "nothing": (lambda: None, "returned NoneType for 2 images"),
    "one result": (lambda: [good()], "returned 1 results for 2 images"),
    "a mapping": (good, "returned dict for 2 images"),
    "no mapping": (lambda: [good(), good()["keypoints"]], "returned ndarray for an image"),
    "no keypoints": (changed(keypoints=None), "promises keypoints, but did not return it"),
    "a missing dataset": (changed(descriptors=None), "promises descriptors, but did not return it"),
    "flat keypoints": (changed(keypoints=np.ones(10)), r"keypoints of shape \(10,\), but it must be \(N, 2\)"),
    "keypoints in space": (changed(keypoints=np.ones((5, 3))), r"keypoints of shape \(5, 3\)"),
    "a number": (changed(keypoints=3.0), r"keypoints of shape \(\)"),
    "NaN keypoints": (changed(keypoints=np.full((5, 2), NAN)), "keypoints that are not finite"),
    "keypoints too large for 32 bit": (changed(keypoints=np.full((5, 2), 1e300)), "keypoints that are not finite"),
    "words": (changed(keypoints=[["a", "b"]] * 5), "keypoints of type list, but it must be an array"),
    "ragged": (changed(descriptors=[[1.0], [1.0, 2.0]]), "descriptors of type list"),
    "NaN descriptors": (changed(descriptors=np.full((8, 5), NAN)), "descriptors that are not finite"),
    "transposed descriptors": (changed(descriptors=np.ones((5, 8))), r"shape \(5, 8\), but it must be \(D, 5\)"),
    "flat descriptors": (changed(descriptors=np.ones(5)), r"shape \(5,\), but it must be \(D, 5\)"),
    "a number as descriptors": (changed(descriptors=1.0), r"shape \(\), but it must be \(D, 5\)"),
    "few scores": (changed(keypoint_scores=np.ones(4)), r"keypoint_scores of shape \(4,\), but it must be \(5,\)"),
    "a column of scores": (
        changed(keypoint_scores=np.ones((5, 1))),
        r"scores of shape \(5, 1\), but it must be \(5,\)",
    ),
    "infinite scores": (changed(keypoint_scores=np.full(5, np.inf)), "keypoint_scores that are not finite"),
    "few depths": (changed(depths=np.ones(4)), r"depths of shape \(4,\)"),
    "many scales": (changed(scales=np.ones(6)), r"scales of shape \(6,\)"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_base_refuses_it(what: str) -> None:
    found, message = BROKEN[what]
    with pytest.raises(PartError, match=message) as caught:
        Given(found).extract(IMAGES)
    assert isinstance(caught.value, (MickeyHlocError, TypeError))
    assert str(caught.value).startswith("Feature Given ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_right_is_made_float32_arrays(count: int) -> None:
    arrays = {**good(count), "keypoints": torch.ones(count, 2, dtype=torch.float64, requires_grad=True), "more": [1, 2]}
    for found in Given(lambda: (arrays, arrays)).extract(IMAGES):
        assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
        assert found["keypoints"].shape == (count, 2)
        assert found["descriptors"].shape == (8, count)
        assert np.isnan(found["depths"]).all()
        assert found["more"].tolist() == [1.0, 2.0]


def test_an_image_of_one_colour_has_no_keypoints_whatever_is_found() -> None:
    images = torch.cat([IMAGES[:1], torch.full_like(IMAGES[:1], 0.25)])
    textured, blank = Given(lambda: [good(), {**good(), "more": [1, 2]}]).extract(images)
    assert textured["keypoints"].shape == (5, 2)
    assert {key: value.shape for key, value in blank.items()} == {
        "keypoints": (0, 2),
        "descriptors": (8, 0),
        "keypoint_scores": (0,),
        "depths": (0,),
        "more": (2,),
    }


def test_options_without_preprocessing_and_without_a_dataclass() -> None:
    class Bare(Given):
        class Options:
            pass

    with pytest.raises(PartError, match="Feature Bare must define Options, a frozen dataclass"):
        Bare(lambda: None)

    class NoPreprocessing(Given):
        from mickey_hloc.matching import MatcherOptions as Options

    with pytest.raises(PartError, match="Feature NoPreprocessing has options without preprocessing"):
        NoPreprocessing(lambda: None).tag()

"""What a pair model must not return: the base refuses it with a sentence that names the class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mickey_hloc.errors import PartError
from mickey_hloc.pair_models import PairMatches, PairModel
from mickey_hloc.pair_models.base import match_photos

IMAGES = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
BLANK = torch.zeros(3, 12, 16)


class Given(PairModel):
    """Returns what it is told to."""

    def __init__(self, found: Any = None) -> None:
        super().__init__()
        self.found = found

    def _match(self, image0: torch.Tensor, image1: torch.Tensor) -> Any:
        return self.found


class WithDepth(Given):
    has_depth = True


def matches(count: int = 4, **changes: Any) -> PairMatches:
    return PairMatches(
        **{
            "keypoints0": torch.ones(count, 2),
            "keypoints1": torch.ones(count, 2),
            "scores": torch.ones(count),
            **changes,
        }
    )


BROKEN = {
    "nothing": (None, "returned NoneType, but must return PairMatches"),
    "a tuple": ((torch.ones(4, 2), torch.ones(4, 2), torch.ones(4)), "returned tuple, but must return PairMatches"),
    "no scores": (matches(scores=None), "must return scores, too"),
    "a score": (matches(scores=torch.tensor(1.0)), r"keypoints0 of shape \(4, 2\), but it must be \(0, 2\)"),
    "few keypoints": (matches(keypoints1=torch.ones(3, 2)), r"keypoints1 of shape \(3, 2\), but it must be \(4, 2\)"),
    "words": (matches(keypoints1=["a"] * 4), "keypoints1 of type list, but it must be a tensor"),
    "NaN keypoints": (matches(keypoints0=torch.full((4, 2), torch.nan)), "keypoints0 that are not finite"),
    "NaN scores": (matches(scores=torch.full((4,), torch.nan)), "scores that are not finite"),
    "large scores": (matches(scores=torch.full((4,), 2.0)), r"scores from 2 to 2, not in \[0, 1\]"),
    "one depth": (matches(depths0=torch.ones(4)), "must return depths1, too"),
    "few depths": (matches(depths0=torch.ones(4), depths1=torch.ones(3)), r"depths1 of shape \(3,\)"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_base_refuses_it(what: str) -> None:
    found, message = BROKEN[what]
    with pytest.raises(PartError, match=message) as caught:
        Given(found).match(*IMAGES)
    assert str(caught.value).startswith("Pair model Given ")
    assert "\n" not in str(caught.value)


def test_depth_that_was_promised_is_asked_for() -> None:
    with pytest.raises(PartError, match="Pair model WithDepth must return depths0, depths1, too"):
        WithDepth(matches()).match(*IMAGES)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_what_is_right_is_made_float32_tensors(count: int) -> None:
    unknown = np.full(count, np.nan)
    found = WithDepth(matches(count, keypoints0=np.ones((count, 2)), depths0=unknown, depths1=unknown)).match(*IMAGES)
    assert found.pose is None
    assert {value.dtype for key, value in vars(found).items() if key != "pose"} == {torch.float32}
    assert found.keypoints0.shape == (count, 2)
    assert bool(found.depths0.isnan().all())


@pytest.mark.parametrize("pair", [(BLANK, IMAGES[0]), (IMAGES[0], BLANK)])
def test_an_image_of_one_colour_has_no_matches_whatever_is_found(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert len(Given(matches()).match(*pair).scores) == 0
    found = WithDepth(matches()).match(*pair)
    assert found.depths0.shape == found.depths1.shape == (0,)
    photos = [(image.permute(1, 2, 0).numpy() * 255).astype(np.uint8) for image in pair]
    assert {"depths0", "depths1"} <= set(match_photos(WithDepth(matches()), photos))

"""What a matcher must not return: the base refuses it with a sentence that names the class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mickey_hloc.errors import InputError, PartError
from mickey_hloc.matching import Matcher, StoredFeatures

N0, N1 = 4, 3
FEATURES = tuple({"keypoints": torch.ones(n, 2), "image_size": torch.tensor([9.0, 9.0])} for n in (N0, N1))
MATCHES, SCORES = torch.tensor([0, -1, 2, 1]), torch.tensor([0.5, 0.0, 1.0, 0.25])


class Given(Matcher):
    """Returns what it is told to."""

    def __init__(self, found: Any = None) -> None:
        super().__init__()
        self.found = found

    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> Any:
        return self.found


def scores(*values: float) -> tuple[Tensor, Tensor]:
    return MATCHES, torch.tensor(values)


BROKEN = {
    "nothing": (None, "must return a partner and a score"),
    "one tensor": (MATCHES, "must return a partner and a score"),
    "three tensors": ((MATCHES, SCORES, SCORES), "must return a partner and a score"),
    "nothing twice": ((None, None), "returned NoneType, but it must return two tensors"),
    "words": ((["a"] * N0, SCORES), "returned list, but it must return two tensors"),
    "partners of the other image": ((torch.tensor([0, 1, 2]), SCORES[:3]), r"shape \(3,\) and \(3,\) for 4 keypoints"),
    "few scores": ((MATCHES, SCORES[:3]), r"shape \(4,\) and \(3,\) for 4 keypoints"),
    "a batch axis": ((MATCHES[None], SCORES[None]), r"shape \(1, 4\) and \(1, 4\) for 4 keypoints"),
    "a partner that is not there": ((torch.tensor([0, 1, 3, -1]), SCORES), "a partner that is none of the 3 keypoints"),
    "a partner below -1": ((torch.tensor([0, 1, -2, -1]), SCORES), "a partner that is none of the 3 keypoints"),
    "half a partner": ((MATCHES.float() / 2, SCORES), "partners of type torch.float32"),
    "a mask": ((MATCHES > 0, SCORES), "partners of type torch.bool"),
    "NaN scores": (scores(0.5, torch.nan, 1, 1), "scores that are not finite"),
    "infinite scores": (scores(0.5, torch.inf, 1, 1), "scores that are not finite"),
    "distances": (scores(0.5, 37, 1, 1), r"scores from 0.5 to 37, not in \[0, 1\]"),
    "negative scores": (scores(0.5, -0.5, 1, 1), r"scores from -0.5 to 1, not in \[0, 1\]"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_base_refuses_it(what: str) -> None:
    found, message = BROKEN[what]
    with pytest.raises(PartError, match=message) as caught:
        Given(found).match(*FEATURES)
    assert str(caught.value).startswith("Matcher Given ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("found", [(MATCHES, SCORES), (MATCHES.int().numpy(), SCORES.double().numpy())])
def test_what_is_right_is_made_the_contracts(found: Any) -> None:
    matches0, scores0 = Given(found).match(*FEATURES)
    assert (matches0.dtype, scores0.dtype) == (torch.int64, torch.float32)
    assert matches0.tolist() == MATCHES.tolist()
    assert scores0.tolist() == SCORES.tolist()


def test_scores_that_are_outside_by_rounding_are_moved_in() -> None:
    _, scores0 = Given((MATCHES, torch.tensor([1.0000001, -1e-7, 0.5, 1.0]))).match(*FEATURES)
    np.testing.assert_array_equal(scores0, [1.0, 0.0, 0.5, 1.0])


def test_no_keypoints_are_not_shown_to_it_and_what_it_needs_is_asked_for() -> None:
    none = {**FEATURES[0], "keypoints": torch.zeros(0, 2)}
    assert Given(None).match(none, FEATURES[1])[0].shape == (0,)
    assert Given(None).match(FEATURES[0], none)[0].tolist() == [-1] * N0

    class Needy(Given):
        needs = frozenset({"scales"})

    with pytest.raises(InputError, match="The matcher Needy needs scales, which these features do not have"):
        Needy((MATCHES, SCORES)).match(*FEATURES)

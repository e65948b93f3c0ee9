"""What a solver must not return: the base refuses it with a sentence that names the class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycolmap
import pytest
import torch
from support.solver_scenes import make_scene

from mickey_hloc.errors import InputError, PartError
from mickey_hloc.solvers import PoseProblem, RelativePose, Solver, get_solver

IDENTITY = pycolmap.Rigid3d()


class Given(Solver):
    """Returns what it is told to."""

    needs = "matches"

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> Any:
        return self.found


def pose(**changes: Any) -> RelativePose:
    usual = {"correspondences": np.zeros((3, 2), dtype=np.int64), "inliers": np.ones(3, dtype=bool)}
    return RelativePose(True, **{"cam1_from_cam0": IDENTITY, "score": 3.0, "confidence": 0.5, **usual, **changes})


BROKEN = {
    "nothing": (None, "returned NoneType, but must return RelativePose"),
    "a motion": (IDENTITY, "returned Rigid3d, but must return RelativePose"),
    "a success without a pose": (RelativePose(True), "returned a pose that is not finite"),
    "a failure with a pose": (RelativePose(False, IDENTITY, reason="x"), "a failure with a pose or without a reason"),
    "a failure without a reason": (RelativePose(False), "a failure with a pose or without a reason"),
    "too confident": (pose(confidence=1.5), "returned confidence 1.5"),
    "NaN confidence": (pose(confidence=float("nan")), "returned confidence nan"),
    "infinite score": (pose(score=float("inf")), "score inf"),
    "few inliers": (pose(inliers=np.ones(2, dtype=bool)), "correspondences and inliers of shape"),
    "indices as inliers": (pose(inliers=np.ones(3, dtype=np.int64)), "correspondences and inliers of shape"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_base_refuses_it(what: str) -> None:
    found, message = BROKEN[what]
    with pytest.raises(PartError, match=message) as caught:
        Given(found).solve(make_scene(5))
    assert str(caught.value).startswith("Solver Given ")
    assert "\n" not in str(caught.value)


def test_what_is_right_is_returned() -> None:
    for found in (pose(), RelativePose.failure("no"), RelativePose.failure("no", np.zeros((3, 2), dtype=np.int64))):
        assert Given(found).solve(make_scene(5)) is found


class BreakingDown(Given):
    """Raises what it is told to."""

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> Any:
        raise self.found


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (np.linalg.LinAlgError("Singular matrix"), "Singular matrix"),
        (torch.linalg.LinAlgError("cholesky: not positive\nsecond line"), "cholesky: not positive"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_numbers_that_a_solver_breaks_down_on_are_a_failure(error: Exception, told: str) -> None:
    found = BreakingDown(error).solve(make_scene(5))
    assert not found.success
    assert found.reason == f"the solver broke down on these numbers ({told})"


def test_a_class_that_does_not_say_what_it_needs_is_refused() -> None:
    class Unsaid(Solver):
        def _solve(self, problem: PoseProblem, generator: torch.Generator) -> Any: ...

    with pytest.raises(PartError, match="Solver Unsaid must say what it needs"):
        Unsaid()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("procrustes", "max_error_m"),
        ("pnp", "max_error_px"),
        ("essential", "max_scale_error_m"),
        ("joint", "max_error_sigmas"),
        ("probabilistic", "inlier_threshold_m"),
        ("procrustes", "distinct_px"),
    ],
)
def test_thresholds_are_finite(name: str, option: str) -> None:
    for value in (float("inf"), 0.0):
        with pytest.raises(InputError, match=f"{option}.*positive and finite"):
            get_solver(name, **{option: value})

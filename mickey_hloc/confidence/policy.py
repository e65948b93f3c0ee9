"""The acceptance of a method: which calibration, which estimates become poses, and where they are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mickey_hloc.confidence.acceptance import AcceptanceOptions, Policy, accept
from mickey_hloc.confidence.calibration import (
    AT,
    CONSTANT,
    Calibration,
    read_calibrations,
    shipped_calibrations,
)
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import make_options

_CONSTANT_SPREAD = 1e-5  # of the logarithms of depth; below it they are one number, rounded


@dataclass(frozen=True)
class Acceptance:
    """How estimates become poses, see ``confidence.accept``.

    Attributes:
        calibration: of the method.
        constant: of the method on depth that is the same everywhere and says nothing about the scene; None: the same.
        policy: "supported" refuses weak estimates; "all" takes every one, for benchmarks that rank by confidence.
        options: thresholds of "supported".
    """

    calibration: Calibration
    policy: Policy = "supported"
    options: AcceptanceOptions = field(default_factory=AcceptanceOptions)
    constant: Calibration | None = None

    def judge(self, estimate: RelativePose) -> RelativePose:
        """The estimate with its confidence, accepted or refused; judging again changes nothing."""
        evidence, calibration = estimate.evidence, self.calibration
        if self.constant is not None and evidence is not None and evidence.depth_spread < _CONSTANT_SPREAD:
            calibration = self.constant
        return accept(estimate, calibration, self.policy, self.options)


def feature_family(features: str, matcher: str, depth_kind: str = "") -> str:
    """What calibrations know features, their matches and depth by, e.g. "small", "disk+lightglue@measured".

    Args:
        features, matcher: names; matchers made for one feature have its name in theirs. The parts named
            ``scm-<name>`` are networks and weights that hloc calls ``<name>``.
        depth_kind: of the depth source; "" where the depth is the features' own.
    """
    family = matcher.removeprefix("scm-") if "+" in matcher else features
    return f"{family}{AT}{depth_kind}" if depth_kind else family


def find_acceptance(
    family: str, solver: str, policy: Policy, options: Mapping[str, Any], calibration: str | None = None
) -> Acceptance:
    """The acceptance of a method.

    Args:
        family: of its features and depth, see ``feature_family``.
        solver: as calibrations know it.
        options: see AcceptanceOptions.
        calibration: a json file with further calibrations. None: those of the package alone.

    Raises:
        InputError: an unknown option, or a file that cannot be used.
    """
    known = shipped_calibrations()
    if calibration is not None:
        known = known.merged(read_calibrations(Path(calibration)))
    constant = known.find(f"{family.partition(AT)[0]}{AT}{CONSTANT}", solver)
    return Acceptance(known.find(family, solver), policy, make_options(AcceptanceOptions, options, "accept"), constant)


def origin_of(acceptance: Acceptance) -> dict[str, Any]:
    """Everything that decides which estimates are accepted and with which confidence, as plain values."""
    calibrations = repr((acceptance.calibration, acceptance.constant))
    calibration = hashlib.sha256(calibrations.encode()).hexdigest()[:16]
    return {"accept": acceptance.policy, **asdict(acceptance.options), "calibration": calibration}

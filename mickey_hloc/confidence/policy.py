"""The acceptance of a method: which calibration, which estimates become poses, and where they are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mickey_hloc.confidence.acceptance import AcceptanceOptions, Policy, accept
from mickey_hloc.confidence.calibration import Calibration, read_calibrations, shipped_calibrations
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import make_options


@dataclass(frozen=True)
class Acceptance:
    """How estimates become poses, see ``confidence.accept``.

    Attributes:
        calibration: of the method.
        policy: "supported" refuses weak estimates; "all" takes every one, for benchmarks that rank by confidence.
        options: thresholds of "supported".
    """

    calibration: Calibration
    policy: Policy = "supported"
    options: AcceptanceOptions = field(default_factory=AcceptanceOptions)

    def judge(self, estimate: RelativePose) -> RelativePose:
        """The estimate with its confidence, accepted or refused; once for each estimate."""
        return accept(estimate, self.calibration, self.policy, self.options)


def feature_family(features: str, matcher: str) -> str:
    """What calibrations know features and their matches by: matchers made for one feature have its name in theirs.

    The parts named ``scm-<name>`` are networks and weights that hloc calls ``<name>``.
    """
    return matcher.removeprefix("scm-") if "+" in matcher else features


def find_acceptance(
    family: str, solver: str, policy: Policy, options: Mapping[str, Any], calibration: str | None = None
) -> Acceptance:
    """The acceptance of a method.

    Args:
        family: of its features, e.g. "small", "sift", "disk+lightglue".
        options: see AcceptanceOptions.
        calibration: a json file with further calibrations. None: those of the package alone.

    Raises:
        InputError: an unknown option, or a file that cannot be used.
    """
    known = shipped_calibrations()
    if calibration is not None:
        known = known.merged(read_calibrations(Path(calibration)))
    return Acceptance(known.find(family, solver), policy, make_options(AcceptanceOptions, options, "accept"))


def origin_of(acceptance: Acceptance) -> dict[str, Any]:
    """Everything that decides which estimates are accepted and with which confidence, as plain values."""
    calibration = hashlib.sha256(repr(acceptance.calibration).encode()).hexdigest()[:16]
    return {"accept": acceptance.policy, **asdict(acceptance.options), "calibration": calibration}

"""Whether an estimate becomes a pose: the one place where poses are accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from mickey_hloc.confidence.calibration import Calibration
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import CovarianceParts, Interval, RelativePose, nan_pose
from mickey_hloc.registry import CheckedOptions, require

Policy = Literal["supported", "all"]
_MANY, _OF_MANY_DEG = 16, 4.0
_CHOSEN_TIMES = 2.0
_FEW = 32  # inliers; the noise of more depths averages out, and they choose among the motions of a plane


@dataclass(frozen=True)
class AcceptanceOptions(CheckedOptions):
    """When an estimate is supported.

    Attributes:
        min_confidence: poses of a lower probability are refused, beside those that lack support.
        min_inliers: fewer distinct inliers than this are refused.
        max_log10_nfa: refused unless fewer than 10^max_log10_nfa equally supported poses are expected by chance.
        max_rotation_std_deg: a larger standard deviation of the rotation, about its least certain axis and by the
            residuals alone, is refused (few inliers, on a line or in one spot), and so is twice that after division by
            the square root of the inliers' share. None: that of the calibration, or
            ``_OF_MANY_DEG`` with ``_MANY`` inliers or more, whose residuals are a better measure of the noise.
        min_line_distance: refused where the inliers lie nearer to one line in an image, as a share of its diagonal; up
            to twice as far where ``min_line_sigmas`` is missed too.
        min_line_sigmas: their distance from the line, in standard errors that the noise of depth gives it.
        max_rival_share: refused where fewer than ``_FEW`` inliers lie on a plane whose other motion depth supports this
            well, compared with the pose.
    """

    min_confidence: float = 0.0
    min_inliers: int = 8
    max_log10_nfa: float = -0.5
    max_rotation_std_deg: float | None = None
    min_line_distance: float = 0.01
    min_line_sigmas: float = 3.0
    max_rival_share: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_confidence", 0 <= self.min_confidence <= 1, "in [0, 1]")
        require(self, "min_inliers", self.min_inliers >= 1, "at least 1")
        require(self, "max_rotation_std_deg", (self.max_rotation_std_deg or 1.0) > 0, "positive")
        require(self, "min_line_distance", self.min_line_distance >= 0, "0 or positive")
        require(self, "min_line_sigmas", self.min_line_sigmas >= 0, "0 or positive")
        require(self, "max_rival_share", self.max_rival_share > 0, "positive")


def accept(
    estimate: RelativePose,
    calibration: Calibration,
    policy: Policy = "supported",
    options: AcceptanceOptions | None = None,
) -> RelativePose:
    """An estimate with its probability to be right; refused where the policy asks for support that it lacks.

    Args:
        estimate: what a solver returned. A failure stays one.
        calibration: of the method that made it.
        policy: "supported" refuses weak estimates, for users; "all" takes every one, for benchmarks that rank.
        options: thresholds of "supported".

    Returns:
        A refused estimate has ``success=False``, a reason, and NaN as ``cam1_from_cam0``; ``estimate``, ``evidence``
        and ``confidence`` stay.
    """
    if estimate.evidence is None:
        return estimate
    confidence = calibration.correct.probability(estimate.evidence)
    parts = estimate.covariance_parts or CovarianceParts.unknown()
    covariance = calibration.uncertainty.covariance(parts, estimate.evidence.num_inliers)
    std = estimate.distance_std_m(covariance)
    judged = replace(
        estimate,
        success=True,
        cam1_from_cam0=estimate.estimate,
        reason="",
        confidence=confidence,
        covariance=covariance,
        squared_68=calibration.uncertainty.squared_68,
        distance_68_m=_interval(estimate.evidence.distance_m, calibration.uncertainty.distance_68 * std),
        distance_95_m=_interval(estimate.evidence.distance_m, calibration.uncertainty.distance_95 * std),
        note=calibration.note,
    )
    reason = "" if policy == "all" else refusal(estimate.evidence, confidence, calibration, options)
    return replace(judged, success=False, cam1_from_cam0=nan_pose(), reason=reason) if reason else judged


def refusal(
    evidence: Evidence, confidence: float, calibration: Calibration, options: AcceptanceOptions | None = None
) -> str:
    """Why an estimate is not supported; empty where it is."""
    o = options or AcceptanceOptions()
    inliers, total = round(evidence.num_inliers), round(evidence.num_correspondences)
    if evidence.num_inliers < o.min_inliers:
        return f"{inliers} distinct inliers of {total}, {o.min_inliers} are needed"
    usual = calibration.max_rotation_std_deg
    limit = o.max_rotation_std_deg or (max(usual, _OF_MANY_DEG) if evidence.num_inliers >= _MANY else usual)
    # Few inliers of many were chosen by how well they agree: they look more certain than they are.
    chosen = evidence.rotation_std_deg / math.sqrt(max(evidence.inlier_share, 1e-6))
    if evidence.rotation_std_deg > limit or chosen > _CHOSEN_TIMES * limit or _on_a_line(evidence, o):
        return "the inliers lie on a line or in one spot and do not determine the rotation"
    if evidence.num_inliers < _FEW and evidence.rival_share > o.max_rival_share:
        return "the inliers lie on a plane, and depth supports its other motion as well"
    if evidence.log10_nfa > o.max_log10_nfa:
        return f"{inliers} inliers of {total} are no more than chance explains (log10 NFA {evidence.log10_nfa:.1f})"
    if calibration.support.logit(evidence) < calibration.min_support or confidence < o.min_confidence:
        return f"{inliers} inliers of {total} are weak support: {in_words(confidence)}"
    return ""


def _on_a_line(evidence: Evidence, o: AcceptanceOptions) -> bool:
    near = evidence.line_distance < 2 * o.min_line_distance
    return evidence.line_distance < o.min_line_distance or (near and evidence.line_sigmas < o.min_line_sigmas)


def in_words(confidence: float) -> str:
    """``7 of 100 such poses are right``."""
    of_100 = 100 * confidence
    if of_100 < 0.5:
        return "fewer than 1 of 100 such poses is right"
    if of_100 >= 99.5:
        return "more than 99 of 100 such poses are right"
    count = round(of_100)
    return f"{count} of 100 such poses {'is' if count == 1 else 'are'} right"


def strength(confidence: float) -> str:
    """``weak: 7 of 100 such poses are right``, for the screen."""
    of_100 = round(100 * confidence)  # as it is printed
    word = "strong" if of_100 >= 90 else "fair" if of_100 >= 50 else "weak"
    return f"{word}: {in_words(confidence)}"


def _interval(middle: float, half: float) -> Interval:
    return max(middle - half, 0.0), middle + half

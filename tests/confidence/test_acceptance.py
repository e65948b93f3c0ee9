"""Acceptance: the one place where an estimate becomes a pose or is refused with a reason."""

import dataclasses
import re

import numpy as np
import pycolmap
import pytest

from mickey_hloc.confidence import AcceptanceOptions, Calibration, Logistic, accept, in_words, strength
from mickey_hloc.confidence.policy import Acceptance
from mickey_hloc.confidence.uncertainty import UncertaintyModel
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import CovarianceParts, RelativePose

CORRECT = Logistic(("log_inliers",), (np.log1p(17),), (1.0,), (2.0,), 0.0)
SUPPORT = Logistic(("log_inliers",), (np.log1p(10),), (1.0,), (2.0,), 0.0)
UNCERTAINTY = UncertaintyModel(residual=0.1, correlation=1.0, common_scale=0.1, distance_68=1.5, distance_95=3.0)
CALIBRATION = Calibration(CORRECT, SUPPORT, 0.0, UNCERTAINTY)
GOOD = Evidence(
    num_correspondences=60,
    num_inliers=40,
    rotation_std_deg=0.5,
    line_distance=0.1,
    depth_disagreement=0.03,
    log10_nfa=-20.0,
    distance_m=1.0,
)

ALONG = np.diag([0.0, 0, 0, 1.0, 0, 0])
PARTS = CovarianceParts(np.eye(6) * 0.01, np.zeros((6, 6)), ALONG)


def estimate(evidence: Evidence = GOOD) -> RelativePose:
    pose = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([1.0, 0.0, 0.0]))
    return RelativePose(
        success=True,
        cam1_from_cam0=pose,
        estimate=pose,
        score=38.0,
        evidence=evidence,
        covariance=PARTS.residual,
        covariance_parts=PARTS,
    )


def test_a_supported_estimate_gets_its_probability_and_scaled_uncertainty() -> None:
    pose = accept(estimate(), CALIBRATION)
    assert pose.success
    assert pose.reason == ""
    assert pose.confidence == pytest.approx(CORRECT.probability(GOOD))
    np.testing.assert_allclose(pose.covariance, np.eye(6) * 0.04 + ALONG * 0.01)  # 0.1 x 40 inliers; (10 %)^2
    std = np.sqrt(0.05)
    np.testing.assert_allclose(pose.distance_68_m, (1 - 1.5 * std, 1 + 1.5 * std))
    np.testing.assert_allclose(pose.distance_95_m, (1 - 3 * std, 1 + 3 * std))


def test_depth_that_is_the_same_everywhere_has_a_calibration_of_its_own() -> None:
    doubtful = dataclasses.replace(CALIBRATION, correct=dataclasses.replace(CORRECT, bias=-2.0), note="a guess")
    acceptance = Acceptance(CALIBRATION, constant=doubtful)
    seen = acceptance.judge(estimate(dataclasses.replace(GOOD, depth_spread=0.3)))
    assert (seen.confidence, seen.note) == (CORRECT.probability(GOOD), "")
    constant = acceptance.judge(estimate(dataclasses.replace(GOOD, depth_spread=0.0)))
    assert constant.confidence < seen.confidence
    assert constant.note == "a guess"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_inliers": 7.0}, "7 distinct inliers of 60, 8 are needed"),
        ({"rotation_std_deg": 2.1, "num_inliers": 12.0}, "do not determine the rotation"),
        ({"rotation_std_deg": 4.1}, "do not determine the rotation"),
        ({"line_distance": 0.005}, "do not determine the rotation"),
        ({"line_distance": 0.015, "depth_disagreement": 0.1}, "do not determine the rotation"),
        ({"log10_nfa": 0.0}, "no more than chance explains"),
        ({"num_inliers": 10.0}, "weak support: .* of 100 such poses"),
    ],
)
def test_a_refused_estimate_says_why_and_stays_in_the_result(changes, reason: str) -> None:
    weak = dataclasses.replace(GOOD, **changes)
    pose = accept(estimate(weak), CALIBRATION)
    assert not pose.success
    assert np.isnan(pose.t).all()
    np.testing.assert_array_equal(pose.estimate.translation, [1, 0, 0])
    assert pose.has_estimate
    assert pose.evidence == weak
    assert pose.confidence == pytest.approx(CORRECT.probability(weak))
    assert re.search(reason, pose.reason)
    everything = accept(estimate(weak), CALIBRATION, "all")
    assert everything.success
    assert everything.confidence == pose.confidence


def test_a_failure_stays_one_under_every_policy() -> None:
    failure = RelativePose.failure("no matches")
    for policy in ("supported", "all"):
        assert accept(failure, CALIBRATION, policy) is failure


def test_options_change_the_thresholds() -> None:
    assert not accept(estimate(), CALIBRATION, options=AcceptanceOptions(min_confidence=0.999)).success
    assert not accept(estimate(), CALIBRATION, options=AcceptanceOptions(min_inliers=41)).success
    weak = dataclasses.replace(GOOD, num_inliers=10.0)
    assert not accept(estimate(weak), CALIBRATION).success
    fair = dataclasses.replace(GOOD, num_inliers=16.0)
    assert accept(estimate(fair), CALIBRATION).success
    assert not accept(estimate(fair), CALIBRATION, options=AcceptanceOptions(min_confidence=0.5)).success
    with pytest.raises(InputError, match="min_confidence"):
        AcceptanceOptions(min_confidence=1.5)


def test_confidence_in_words() -> None:
    assert in_words(0.07) == "7 of 100 such poses are right"
    assert in_words(0.012) == "1 of 100 such poses is right"
    assert in_words(0.001) == "fewer than 1 of 100 such poses is right"
    assert in_words(0.9999) == "more than 99 of 100 such poses are right"
    assert strength(0.07).startswith("weak: 7 of 100")
    assert strength(0.97).startswith("strong: ")
    assert strength(0.4999).startswith("fair: 50 of 100")  # the word is that of the number that is printed

"""Calibrations: what they compute, how they are stored, what is refused, and how they are fitted."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from mickey_hloc.confidence import shipped_calibrations
from mickey_hloc.confidence.calibration import (
    FORMAT,
    Calibration,
    Calibrations,
    Logistic,
    parse_calibrations,
    read_calibrations,
    write_calibrations,
)
from mickey_hloc.confidence.features import FEATURES, feature_vector
from mickey_hloc.confidence.fit import FitOptions, Judgement, fit_calibration, fit_logistic
from mickey_hloc.confidence.reliability import (
    expected_calibration_error,
    kept_share,
    reliability_diagram,
    roc_auc,
)
from mickey_hloc.confidence.uncertainty import (
    CHI2_6_95,
    PoseError,
    UncertaintyModel,
    distance_sigmas,
    fit_uncertainty,
    squared_errors,
)
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.geometry.relative_pose import CovarianceParts

MODEL = Logistic(("log_inliers",), (1.0,), (2.0,), (3.0,), -0.5)
SIMPLE = Calibration(MODEL, MODEL, 0.4, fitted_on="nothing")


def evidence(inliers: float, total: float = 100.0) -> Evidence:
    return Evidence(num_correspondences=total, num_inliers=inliers, rotation_std_deg=1.0, log10_nfa=-10.0)


def test_the_probability_is_that_of_the_logistic_model() -> None:
    value = np.log1p(20 - 3)
    expected = 1 / (1 + np.exp(-(-0.5 + 3.0 * (value - 1.0) / 2.0)))
    assert MODEL.probability(evidence(20)) == pytest.approx(expected, abs=1e-12)


def test_every_feature_is_finite_without_any_evidence() -> None:
    assert np.isfinite(feature_vector(Evidence(), tuple(FEATURES))).all()
    everything = Evidence(*[1e9] * len(Evidence.names()))
    assert np.isfinite(feature_vector(everything, tuple(FEATURES))).all()


@pytest.mark.parametrize("key", sorted(shipped_calibrations().table))
def test_more_inliers_never_make_a_pose_less_probable(key) -> None:
    calibration = shipped_calibrations().table[key]
    for model in (calibration.correct, calibration.support):
        found = [model.probability(evidence(n)) for n in (5, 10, 20, 50, 100)]
        assert found == sorted(found)
        assert min(model.weights) >= 0
    assert calibration.fitted_on


def test_a_file_is_read_as_it_was_written(tmp_path) -> None:
    table = Calibrations({("small", "joint"): SIMPLE, ("disk+lightglue", "pnp"): SIMPLE})
    write_calibrations(tmp_path / "c.json", table)
    assert read_calibrations(tmp_path / "c.json").table == table.table


def test_what_was_never_calibrated_gets_a_cautious_guess_and_a_note() -> None:
    shipped = shipped_calibrations()
    assert shipped.find("small", "joint").note == ""
    for feature, solver in (("superpoint", "joint"), ("small", "my.module:Solver")):
        found = shipped.find(feature, solver)
        assert f"not calibrated for {feature} with {solver}" in found.note
    assert "sift with pnp on learned depth" in shipped.find("sift@learned", "pnp").note
    assert "is a guess" in shipped.find("sift@constant", "pnp").note


def test_features_without_depth_of_their_own_are_taken_to_have_measured_depth() -> None:
    assert shipped_calibrations().find("sift", "pnp") == shipped_calibrations().find("sift@measured", "pnp")
    assert shipped_calibrations().find("sift", "pnp").note == ""
    with pytest.raises(InputError, match="none for any method"):
        Calibrations({}).find("small", "joint")


def test_own_calibrations_replace_shipped_ones() -> None:
    merged = shipped_calibrations().merged(Calibrations({("small", "joint"): SIMPLE}))
    assert merged.find("small", "joint") == SIMPLE
    assert merged.find("small", "pnp") == shipped_calibrations().find("small", "pnp")


def altered(inside: str = "", **changes) -> str:
    """A valid file with a change in the calibration, or in one of its models; None takes a key away."""
    model = {"features": ["log_inliers"], "means": [1.0], "scales": [2.0], "weights": [3.0], "bias": 0.0}
    entry = {"correct": dict(model), "support": dict(model), "min_support": 0.5, "fitted_on": "x", "note": ""}
    entry |= {"uncertainty": asdict(UncertaintyModel()), "max_rotation_std_deg": 2.0}
    target = entry[inside] if inside else entry
    for key, value in changes.items():
        target[key] = value
        if value is None:
            del target[key]
    return json.dumps({"format": FORMAT, "calibrations": {"small/joint": entry}})


def test_the_unaltered_file_is_read() -> None:
    assert parse_calibrations(altered(), "c.json").find("small", "joint").min_support == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not json"),
        ("[]", "no calibrations of format"),
        (json.dumps({"format": "other", "calibrations": {}}), "no calibrations of format"),
        (json.dumps({"format": FORMAT, "calibrations": {"joint": {}}}), "expected feature/solver"),
        (altered(surplus=1), "expected exactly"),
        (altered(note=None), "expected exactly"),
        (altered("support", bias=None), "expected exactly"),
        (altered("support", bias="__import__('os')"), "bias is"),
        (altered("correct", features=["no_such"]), "Unknown evidence no_such"),
        (altered("correct", weights=[1.0, 2.0]), "needs 1 means"),
        (altered("correct", weights=[-1.0]), "below 0"),
        (altered("support", scales=[0.0]), "below 0"),
        (altered("support", means=[True]), "means is"),
        (altered(min_support="high"), "min_support is"),
        (altered(max_rotation_std_deg=0.0), "not positive"),
        (altered("uncertainty", residual=0.0), "widths of 0"),
        (altered("uncertainty", depth_scale=None), "expected exactly"),
        (altered("uncertainty", distance_95="wide"), "distance_95 is"),
        (altered(support=3), "expected exactly"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_calibrations(text, "c.json")
    assert "c.json" in str(error.value)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        read_calibrations(tmp_path / "none.json")


def test_the_logistic_fit_finds_the_model_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3))
    truth, bias = np.array([2.0, 0.5, 0.0]), -1.0
    y = rng.random(len(x)) < 1 / (1 + np.exp(-(x @ truth + bias)))
    weights, found = fit_logistic(x, y, np.ones(len(x)), ridge=0.1)
    np.testing.assert_allclose(weights, truth, atol=0.08)
    assert found == pytest.approx(bias, abs=0.08)
    against = fit_logistic(-x, y, np.ones(len(x)), ridge=0.1)[0]
    assert (against >= 0).all()  # evidence that speaks the wrong way is left out, not turned round
    assert against.max() < 0.05


def made_up_error(rng: np.random.Generator, scale: float = 0.1) -> PoseError:
    """Of a pose 2 m away: residuals say half of what is there, and both depth maps are wrong by 10 %."""
    factor = rng.normal(size=(6, 6)) * [[0.02], [0.02], [0.02], [0.05], [0.05], [0.05]]
    parts = CovarianceParts(factor @ factor.T, np.zeros((6, 6)), np.diag([0.0, 0, 0, 4, 0, 0]))
    delta = 2 * factor @ rng.normal(size=6) + np.r_[np.zeros(3), 2 * scale * rng.normal(), 0, 0]
    return PoseError(delta, parts, 20.0, np.array([1.0, 0, 0]), float(-delta[3]))


def table(num: int, seed: int) -> list[Judgement]:
    """Related pairs whose inliers say how probable they are to be right, and unrelated ones with few."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num):
        inliers = float(np.exp(rng.uniform(1.5, 4.5)))
        right = rng.random() < 1 / (1 + np.exp(-3 * (np.log(inliers) - 3)))
        rows.append(Judgement(evidence(inliers), bool(right), False, made_up_error(rng)))
        rows.append(Judgement(evidence(float(rng.integers(3, 9))), False, True))
    return rows


def test_a_fit_is_calibrated_on_data_it_has_not_seen_and_rejects_unrelated_pairs() -> None:
    fitted = fit_calibration(table(1500, 0), "made up", FitOptions(*[("log_inliers", "log_inlier_share")] * 2))
    unseen = table(1500, 1)
    probabilities = np.array([fitted.correct.probability(row.evidence) for row in unseen])
    correct = np.array([row.is_correct for row in unseen])
    unrelated = np.array([row.is_unrelated for row in unseen])
    assert expected_calibration_error(probabilities[~unrelated], correct[~unrelated]) < 0.05
    accepted = np.array([fitted.support.logit(row.evidence) >= fitted.min_support for row in unseen])
    assert accepted[unrelated].mean() <= 0.01
    assert accepted[correct].mean() > 0.85
    found = fitted.uncertainty
    assert found.residual_std(20.0) == pytest.approx(2.0, rel=0.2)
    assert found.common_scale == pytest.approx(0.1, rel=0.2)
    errors = [row.error for row in unseen if row.error is not None]
    squared, sigmas = squared_errors(found, errors), np.abs(distance_sigmas(found, errors))
    assert np.mean(squared < found.squared_68) == pytest.approx(0.68, abs=0.04)
    assert np.mean(squared < CHI2_6_95) == pytest.approx(0.95, abs=0.02)
    assert np.mean(sigmas < found.distance_68) == pytest.approx(0.68, abs=0.04)
    assert np.mean(sigmas < found.distance_95) == pytest.approx(0.95, abs=0.02)


def test_the_uncertainty_of_too_few_poses_is_the_default() -> None:
    rng = np.random.default_rng(0)
    assert fit_uncertainty([made_up_error(rng) for _ in range(19)]) == UncertaintyModel()


def test_errors_that_more_matches_do_not_shrink_are_found() -> None:
    """The residuals promise a variance of 1 / n, the errors keep theirs."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(600):
        n = float(rng.integers(10, 1000))
        parts = CovarianceParts(np.eye(6) * 1e-2 / n, np.zeros((6, 6)), np.zeros((6, 6)))
        errors.append(PoseError(0.1 * rng.normal(size=6), parts, n, np.array([1.0, 0, 0]), 0.1 * rng.normal()))
    found = fit_uncertainty(errors)
    assert found.correlation > 0.9
    assert found.residual_std(100.0) == pytest.approx(10.0, rel=0.15)


def test_too_small_a_table_is_refused() -> None:
    with pytest.raises(InputError, match="at least 20 correct"):
        fit_calibration(table(10, 0), "too little")


def test_reliability_against_values_by_hand() -> None:
    probabilities = np.array([0.05, 0.05, 0.95, 0.95])
    correct = np.array([False, True, True, True])
    low, high = reliability_diagram(probabilities, correct)
    assert (low.count, low.right, high.count, high.right) == (2, 0.5, 2, 1.0)
    assert expected_calibration_error(probabilities, correct) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    assert roc_auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)
    assert kept_share(np.arange(10.0), np.arange(-100.0, 0.0)) == 1.0

"""Every metric against its definition written out plainly, and the properties that follow from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mapfree_files import random_pose

from mickey_hloc.evaluation.metrics import (
    average_median,
    benchmark_vcre,
    median_of_all,
    pose_auc,
    precision_recall,
    relative_pose_errors,
    share_within,
    symmetric_scale_error,
)

seeds = st.integers(0, 10_000)
outcomes = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30)


def poses(rng, n):
    made = [random_pose(rng) for _ in range(n)]
    return np.stack([p.rotation.matrix() for p in made]), np.stack([p.translation for p in made])


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_pose_errors_are_zero_for_the_truth_and_symmetric(seed):
    rng = np.random.default_rng(seed)
    (R, t), (R_gt, t_gt) = poses(rng, 5), poses(rng, 5)
    exact = relative_pose_errors(R, t, R, t)
    np.testing.assert_allclose(exact.rotation_deg, 0, atol=1e-6)
    np.testing.assert_allclose(exact.translation_m, 0, atol=1e-12)
    np.testing.assert_allclose(exact.translation_angle_deg, 0, atol=1e-6)
    np.testing.assert_allclose(exact.scale_ratio, 1, atol=1e-12)
    one, other = relative_pose_errors(R, t, R_gt, t_gt), relative_pose_errors(R_gt, t_gt, R, t)
    for name in ("rotation_deg", "translation_m", "translation_angle_deg"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-6)
    np.testing.assert_allclose(one.scale_ratio * other.scale_ratio, 1)
    assert (one.rotation_deg <= 180).all()
    assert (one.translation_angle_deg <= 90).all()


def test_known_pose_errors():
    about_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    R, R_gt = np.stack([about_z] * 3), np.stack([np.eye(3)] * 3)
    t, t_gt = np.array([[0.0, 2, 0], [-1, 0, 0], [1, 1, 0]]), np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 0]])
    errors = relative_pose_errors(R, t, R_gt, t_gt)
    np.testing.assert_allclose(errors.rotation_deg, 90)
    np.testing.assert_allclose(errors.translation_m, [5**0.5, 2, 2**0.5])
    # the sign of the direction does not count, and a camera that did not move has no direction
    np.testing.assert_allclose(errors.translation_angle_deg, [90, 0, 0])
    np.testing.assert_allclose(symmetric_scale_error(errors.scale_ratio), [2, 1, np.inf])
    np.testing.assert_allclose(symmetric_scale_error(np.array([0.5, 0.0])), [2, np.inf])


def plain_vcre(R, centre, R_gt, centre_gt, K, size):
    """The definition with loops: the images of points before the true camera, seen from both cameras."""
    total, count = 0.0, 0
    for x in np.arange(-3, 4) * 0.3:
        for y in (np.arange(4) - 1.5) * 0.3:
            for z in 1.8 + 0.3 * np.arange(7):
                point = np.array([x, y, z])
                world = R_gt @ point + centre_gt
                seen = [K @ point, K @ (R.T @ (world - centre))]
                a, b = (np.clip(p[:2] / p[2], 0, size) for p in seen)
                total, count = total + np.linalg.norm(a - b), count + 1
    return total / count


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_vcre_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    (R, c), (R_gt, c_gt) = poses(rng, 3), poses(rng, 3)
    K = np.stack([[[f, 0, 270], [0, f, 360], [0, 0, 1]] for f in (500.0, 550.0, 600.0)])
    sizes = [(540.0, 720.0), (640.0, 480.0), (540.0, 720.0)]
    vcre = benchmark_vcre(R, c, R_gt, c_gt, K, sizes)
    expected = [plain_vcre(R[i], c[i], R_gt[i], c_gt[i], K[i], sizes[i]) for i in range(3)]
    np.testing.assert_allclose(vcre, expected, rtol=1e-9)
    assert (vcre <= [np.hypot(*size) for size in sizes]).all()
    np.testing.assert_allclose(benchmark_vcre(R, c, R, c, K, sizes), 0, atol=1e-9)


def plain_area(accepted, confidences, failures):
    total, area, kept_before = len(accepted) + failures, 0.0, 0
    for threshold in sorted(set(confidences), reverse=True):
        kept = [ok for ok, c in zip(accepted, confidences, strict=True) if c >= threshold]
        area += (len(kept) - kept_before) / total * sum(kept) / len(kept)
        kept_before = len(kept)
    return area


@settings(max_examples=100, deadline=None)
@given(outcomes=outcomes, failures=st.integers(0, 10), seed=seeds)
def test_precision_recall_is_its_definition(outcomes, failures, seed):
    accepted, confidences = np.array([o[0] for o in outcomes]), np.array([float(o[1]) for o in outcomes])
    precision, recall, area = precision_recall(accepted, confidences, failures)
    assert area == pytest.approx(plain_area(accepted, confidences, failures), abs=1e-6)
    assert len(precision) == len(recall) == len(set(confidences))
    assert (np.diff(recall) > 0).all()
    assert recall[-1] == pytest.approx(len(accepted) / (len(accepted) + failures))
    assert precision[-1] == pytest.approx(accepted.mean())
    order = np.random.default_rng(seed).permutation(len(accepted))
    assert precision_recall(accepted[order], confidences[order], failures)[2] == area
    assert precision_recall(accepted, np.exp(confidences), failures)[2] == area  # only the order counts
    assert precision_recall(accepted, confidences, failures + 1)[2] <= area


def test_precision_recall_extremes():
    everything = np.ones(4, dtype=bool)
    assert precision_recall(everything, np.arange(4.0), 0)[2] == 1
    assert precision_recall(everything, np.arange(4.0), 4)[2] == 0.5
    assert precision_recall(~everything, np.arange(4.0), 0)[2] == 0
    assert precision_recall(np.zeros(0, dtype=bool), np.zeros(0), 3)[2] == 0


def plain_auc(errors, threshold):
    """The area under the piecewise linear share, by fine sampling."""
    x = np.concatenate([[0.0], np.sort(errors)])
    y = np.arange(len(x)) / len(errors)
    inside = x < threshold
    grid = np.linspace(0, threshold, 200_001)
    return np.interp(grid, x[inside], y[inside]).mean()


@settings(max_examples=30, deadline=None)
@given(errors=st.lists(st.floats(1e-3, 40.0), min_size=1, max_size=20, unique=True))
def test_pose_auc_is_its_definition(errors):
    thresholds = (5.0, 10.0, 20.0)
    aucs = pose_auc(errors, thresholds)
    np.testing.assert_allclose(aucs, [plain_auc(np.array(errors), t) for t in thresholds], atol=1e-4)
    assert sorted(aucs) == aucs
    worse = pose_auc([*errors, np.inf, np.nan], thresholds)
    assert all(w <= a for w, a in zip(worse, aucs, strict=True))


def test_known_pose_aucs():
    assert pose_auc([2.5], (5.0,)) == [0.75]  # rises to 1 at 2.5, stays: (1.25 + 2.5) / 5
    assert pose_auc([0.0, 0.0], (5.0, 10.0)) == [1.0, 1.0]
    assert pose_auc([np.inf, 30.0], (5.0, 20.0)) == [0.0, 0.0]
    assert pose_auc([], (5.0,)) == [0.0]


def test_shares_and_medians():
    t, r = np.array([0.1, 0.3, 0.1]), np.array([1.0, 1.0, 9.0])
    assert share_within(t, r, (0.25, 5.0), 4) == 0.25
    assert share_within(t, r, (0.25, 5.0), 0) == 0
    assert average_median({"a": np.array([1.0, 2.0, 9.0]), "b": np.array([4.0]), "c": np.zeros(0)}) == 3
    assert np.isnan(average_median({"c": np.zeros(0)}))


def test_a_failure_is_an_infinite_error_in_a_median_of_all():
    errors = np.array([1.0, 2.0, 9.0])
    assert median_of_all(errors) == 2.0
    assert median_of_all(errors, 1) == median_of_all([*errors, np.inf]) == 5.5
    assert median_of_all(errors, 2) == 9.0
    assert median_of_all(errors, 3) == median_of_all(errors, 4) == median_of_all([], 1) == np.inf
    assert np.isnan(median_of_all([]))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.integers(0, 20))
def test_failures_never_lower_a_median(errors, failures):
    assert median_of_all(errors, failures + 1) >= median_of_all(errors, failures)
    assert np.isinf(median_of_all(errors, failures)) == (failures >= len(errors))

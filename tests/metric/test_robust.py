"""Robust averages, checked against plain ones and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from mickey_hloc.metric.robust import between_variance, outliers, spread, t_quantile, weighted_median


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_weighted_median_is_the_median_of_repeated_values(pairs: list[tuple[float, int]]) -> None:
    values, weights = np.array(sorted(pairs)).T
    repeated = np.repeat(values, weights.astype(int))
    found = weighted_median(values, weights)
    if len(repeated):
        assert found == pytest.approx(np.median(repeated))
    else:
        assert np.isnan(found)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 15, 60])
def test_quantiles_of_student_are_those_of_scipy(degrees: int) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(student.ppf(0.975, degrees), rel=2e-3)


def test_the_variance_between_groups_is_found() -> None:
    rng = np.random.default_rng(0)
    variances = rng.uniform(0.001, 0.02, 4000)
    means = rng.normal(0, 0.1, 4000) + rng.normal(0, np.sqrt(variances))
    assert between_variance(means, variances) == pytest.approx(0.01, rel=0.1)
    assert between_variance(rng.normal(0, 0.1, 4000), np.full(4000, 0.02)) == 0
    assert between_variance(np.array([1.0]), np.array([0.1])) == 0
    assert between_variance(np.full(5, 2.0), np.zeros(5)) == pytest.approx(0, abs=1e-12)


def test_one_wild_value_is_an_outlier_and_the_spread_ignores_it() -> None:
    values = np.array([0.0, 0.01, -0.01, 0.02, -0.02, 0.7])
    assert outliers(values, np.full(6, 1e-6)).tolist() == [False] * 5 + [True]
    assert not outliers(values[[0, 1, 5]], np.full(3, 1e-6)).any()
    assert spread(values) < 0.03

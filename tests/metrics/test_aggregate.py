import math

import numpy as np
import pytest
from scipy import stats

from palimpsest.metrics.aggregate import Aggregate, aggregate


def test_the_interval_is_that_of_scipys_percentile_bootstrap():
    values = np.random.default_rng(0).gamma(2, size=60)
    ours = aggregate(values)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    error = values.std() / math.sqrt(60)
    assert ours.mean == values.mean() and (ours.count, ours.undefined) == (60, 0)
    assert ours.low == pytest.approx(theirs.low, abs=0.15 * error)
    assert ours.high == pytest.approx(theirs.high, abs=0.15 * error)


def test_it_is_the_same_every_time_and_moves_with_the_values():
    values = np.random.default_rng(1).normal(size=30)
    assert aggregate(values) == aggregate(values.copy())
    shifted, one = aggregate(10 + 2 * values), aggregate(values)
    assert (shifted.low, shifted.high) == pytest.approx((10 + 2 * one.low, 10 + 2 * one.high))


def test_it_holds_the_true_mean_about_as_often_as_it_says():
    draw = np.random.default_rng(2)
    found = [aggregate(draw.normal(5, 1, 40)) for _ in range(300)]
    held = sum(each.low <= 5 <= each.high for each in found) / 300
    assert 0.89 < held < 0.99  # 0.93 is expected of 40 pictures, with a standard error of 0.015


def test_equal_values_have_an_interval_of_one_point():
    assert aggregate(np.full(7, 3.0)) == Aggregate(3.0, 3.0, 3.0, 7)
    assert aggregate(np.array([4.0])) == Aggregate(4.0, 4.0, 4.0, 1)


def test_undefined_values_are_left_out_and_counted():
    values = np.array([1.0, math.nan, 2.0, math.nan])
    assert (found := aggregate(values)).undefined == 2
    assert found.mean == 1.5 and found.count == 2 and (found.low, found.high) == (1.0, 2.0)
    nothing = aggregate(np.full(3, math.nan))
    assert math.isnan(nothing.mean) and (nothing.count, nothing.undefined) == (0, 3)


def test_an_infinite_value_makes_the_means_that_hold_it_infinite():
    found = aggregate(np.array([math.inf, *[20.0] * 9]))
    assert found.mean == found.high == math.inf and found.low == 20.0
    assert aggregate(np.full(4, math.inf)) == Aggregate(math.inf, math.inf, math.inf, 4)

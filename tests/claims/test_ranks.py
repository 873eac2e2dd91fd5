import numpy as np
import pytest
from scipy import stats

from palimpsest.claims.ranks import Column, agreement, kendall

PHOTOGRAPHS = np.arange(24) // 3


def column(published, means, noise=0.0, of_seeds=0.0):
    own = np.array(means, float)[:, None] + noise * np.random.default_rng(0).standard_normal((len(means), 24))
    return Column(np.array(published, float), own, PHOTOGRAPHS, np.full(len(means), of_seeds))


def test_tau_is_scipys_with_ties_on_either_side():
    draw = np.random.default_rng(0)
    for methods in (2, 3, 6, 10):
        published, ours = draw.integers(0, 4, methods), draw.integers(0, 5, (50, methods))
        expected = [stats.kendalltau(published, row).statistic for row in ours]
        np.testing.assert_allclose(kendall(published, ours), expected)


def test_the_published_order_has_1_and_its_reverse_minus_1():
    assert agreement([column([1, 2, 3], [10, 20, 30])]).tau == 1
    turned = agreement([column([1, 2, 3], [30, 20, 10])])
    assert (turned.tau, turned.low, turned.high) == (-1, -1, -1)


def test_a_table_has_the_mean_over_its_columns():
    found = agreement([column([1, 2, 3], [1, 2, 3]), column([1, 2, 3], [3, 2, 1]), column([1, 2, 3], [1, 3, 2])])
    assert found.tau == pytest.approx(1 / 9) and found.columns == 3


def test_a_column_whose_numbers_are_all_alike_ranks_nothing():
    assert agreement([column([1, 1, 1], [1, 2, 3])]) is None
    assert agreement([]) is None
    assert agreement([column([1, 1, 1], [1, 2, 3]), column([1, 2, 3], [1, 2, 3])]).columns == 1


def test_the_interval_is_as_wide_as_photographs_are_unsure():
    sure, unsure = (agreement([column([1, 2, 3, 4], [1, 2, 3, 4], noise)]) for noise in (0.1, 4))
    assert (sure.low, sure.high) == (1, 1)
    assert unsure.low < unsure.tau <= unsure.high and unsure.high - unsure.low > 0.5


def test_the_interval_is_as_wide_as_seeds_are_unsure():
    sure, unsure = (agreement([column([1, 2, 3, 4], [1, 2, 3, 4], 0.1, of_seeds)]) for of_seeds in (0.01, 4))
    assert (sure.low, sure.high) == (1, 1)
    assert unsure.low < 0 < unsure.high == 1


def test_of_three_photographs_there_is_no_interval():
    few = Column(np.array([1, 2.0]), np.array([[1, 2, 3], [2, 3, 4.0]]), np.arange(3), np.zeros(2))
    found = agreement([few])
    assert (found.tau, found.low, found.high) == (1, None, None)

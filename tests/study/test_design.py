from collections import Counter
from itertools import pairwise

import pytest

from palimpsest.study.design import SEQUENCES, arrangement, arrangements, sequences, williams

MANY = [2, 3, 4, 5, 6]


def places(orders):
    """How often each method is at each place."""
    return Counter((place, method) for order in orders for place, method in enumerate(order))


@pytest.mark.parametrize("methods", MANY)
def test_a_square_holds_each_method_once_in_each_row_and_place(methods):
    square = williams(methods)
    assert all(sorted(order) == list(range(methods)) for order in square)
    assert set(places(square).values()) == {1} and len(places(square)) == methods**2


@pytest.mark.parametrize("methods", MANY)
@pytest.mark.parametrize("rater", [0, 3])
def test_a_rater_sees_each_method_equally_often_at_each_place(methods, rater):
    seen = places(arrangement(rater, trial, methods) for trial in range(3 * methods))
    assert set(seen.values()) == {3} and len(seen) == methods**2


@pytest.mark.parametrize("methods", MANY)
@pytest.mark.parametrize("trial", [0, 7])
def test_over_raters_a_picture_shows_each_method_equally_often_at_each_place(methods, trial):
    seen = places(arrangement(rater, trial, methods) for rater in range(3 * methods))
    assert set(seen.values()) == {3} and len(seen) == methods**2


@pytest.mark.parametrize("methods", MANY)
def test_over_raters_each_method_stands_right_of_every_other_equally_often(methods):
    neighbours = Counter(pair for order in arrangements(4, methods) for pair in pairwise(order))
    assert set(neighbours.values()) == {2} and len(neighbours) == methods * (methods - 1)


def test_the_published_study_of_crfill_is_balanced_for_each_rater():
    for rater in range(9):
        assert set(places(arrangement(rater, trial, 5) for trial in range(45)).values()) == {9}


def test_raters_see_the_pictures_in_orders_of_their_own():
    found = sequences(20, 1)
    assert len({tuple(order) for order in found}) == SEQUENCES and all(sorted(order) == [*range(20)] for order in found)
    assert found == sequences(20, 1) != sequences(20, 2)

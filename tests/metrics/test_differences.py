"""Intervals on made-up results whose true difference is known."""

import numpy as np
import pytest
from scipy import stats

from palimpsest.metrics.differences import ALIKE, FEW, ONE_SEED, UNDEFINED, of_pictures, of_sets

DRAWS = 1000
SHAPES = {
    "normal": lambda draw, *shape: draw.standard_normal(shape),
    "heavy tails": lambda draw, *shape: draw.standard_t(3, shape),
    "skewed": lambda draw, *shape: draw.lognormal(0, 0.6, shape) - np.exp(0.18),
    "ties": lambda draw, *shape: draw.standard_normal(shape).round(),
}


def tiled(photographs: int, draw: np.random.Generator) -> np.ndarray:
    """The photograph of each picture, one to seven pictures of each."""
    return np.repeat(np.arange(photographs), 1 + draw.poisson(2, photographs))


def made(draw, photographs, shape, seeds, spreads, gain=0.0):
    """Two runs that differ by `gain` in truth: (seeds, N) each, and the photographs.

    Some photographs are harder than others for both, some for one; pictures of one photograph are alike; training again
    moves each run by its `spread`, and each photograph by half.
    """
    found, of = SHAPES[shape], tiled(photographs, draw)
    both = 5 * found(draw, photographs)[of]
    runs = []
    for count, more, spread in zip(seeds, (0, gain), np.broadcast_to(spreads, 2), strict=True):
        own = found(draw, photographs)[of] * 0.7 + spread * draw.standard_normal((count, 1))
        runs.append(
            both + more + own + 0.5 * found(draw, count, photographs)[:, of] + 0.5 * found(draw, count, len(of))
        )
    return *runs, of


def held(photographs, shape, seeds, spreads, gain, typical=0.0):
    """How often the interval holds the truth, and how often it says that the second is more, %."""
    holds = more = 0
    for number in range(DRAWS):
        runs = made(np.random.default_rng([9, number]), photographs, shape, seeds, spreads, gain)
        found = of_pictures(*runs, typical=typical)
        holds += found.low is None or found.low <= gain <= found.high
        more += found.sign == 1
    return 100 * holds / DRAWS, 100 * more / DRAWS


@pytest.mark.parametrize(
    ("photographs", "shape", "seeds", "spread", "gain"),
    [
        (6, "normal", (1, 1), 0, 0.4),
        (9, "ties", (1, 1), 0, 0.4),
        (12, "skewed", (1, 1), 0, 0.4),
        (20, "heavy tails", (1, 1), 0, 0.4),
        (45, "normal", (1, 1), 0, 0.4),
        (9, "normal", (3, 3), 0.3, 0.4),
        (20, "heavy tails", (3, 3), 1, 0.4),
        (45, "normal", (3, 3), 0, 0.4),
        (20, "normal", (3, 1), 1, 0.4),
        (45, "normal", (3, 1), 0.6, 0.4),
    ],
)
def test_the_interval_holds_the_true_difference_in_93_to_97_of_100_draws(photographs, shape, seeds, spread, gain):
    holds, _ = held(photographs, shape, seeds, spread, gain)
    assert 93 <= holds <= 97


def test_a_run_that_is_not_trained_adds_nothing_that_seeds_would():
    holds, wide = 0, []
    for number in range(DRAWS):
        draw = np.random.default_rng([9, number])
        fixed, trained, of = made(draw, 45, "normal", (1, 3), 0)
        trained += 0.3 * draw.standard_normal((3, 1))
        found, as_trained = (of_pictures(fixed, trained, of, (varies, True)) for varies in (False, True))
        holds += found.low <= 0 <= found.high
        wide.append((found.high - found.low) / (as_trained.high - as_trained.low))
    assert 93 <= 100 * holds / DRAWS <= 97 and np.median(wide) < 0.8


@pytest.mark.parametrize(
    ("photographs", "shape", "seeds", "spread"),
    [(5, "heavy tails", (1, 1), 0), (20, "ties", (1, 1), 0), (20, "normal", (3, 3), 0.3)],
)
def test_equal_runs_are_told_apart_no_more_often_than_chance_allows(photographs, shape, seeds, spread):
    holds, more = held(photographs, shape, seeds, spread, 0)
    assert more <= 2.5 and holds >= 95


@pytest.mark.parametrize(("shape", "spread"), [("normal", 0.3), ("normal", 0.6), ("skewed", 0.6)])
def test_a_run_of_three_seeds_and_an_equal_one_of_one_are_told_apart_in_5_of_100_draws_at_most(shape, spread):
    holds, _ = held(45, shape, (3, 1), spread, 0)
    assert 95 <= holds <= 97


@pytest.mark.parametrize(("seeds", "spreads"), [((3, 1), (0, 0.8)), ((1, 1), (0.6, 0.6))])
def test_a_single_seed_that_varies_as_is_typical_is_told_apart_by_that(seeds, spreads):
    unaware, _ = held(45, "normal", seeds, spreads, 0)
    aware, _ = held(45, "normal", seeds, spreads, 0, typical=spreads[1] ** 2)
    assert unaware < 85 and 93 <= aware <= 97


def test_what_is_typical_adds_nothing_where_the_other_run_varies_more():
    runs = made(np.random.default_rng(9), 20, "normal", (3, 1), 1)
    assert of_pictures(*runs, typical=0.01) == of_pictures(*runs)


def test_pictures_taken_for_photographs_would_make_the_interval_too_narrow():
    holds = 0
    for number in range(200):
        first, second, of = made(np.random.default_rng([9, number]), 20, "normal", (1, 1), 0)
        holds += of_pictures(first, second, np.arange(len(of))).sign == 0
    assert holds < 0.88 * 200


@pytest.mark.parametrize(("seeds", "spreads"), [((3, 3), (1, 1)), ((3, 3), (0, 1)), ((3, 1), (1, 1))])
def test_numbers_of_whole_sets_are_told_apart_by_their_seeds(seeds, spreads):
    holds = 0
    for number in range(DRAWS):
        draw = np.random.default_rng([9, number])
        first, second = (spread * draw.standard_normal(count) for count, spread in zip(seeds, spreads, strict=True))
        found = of_sets(first, second + 2, 24, 9)
        holds += found.low <= 2 <= found.high
    assert 93 <= 100 * holds / DRAWS <= 97


def test_many_photographs_of_one_picture_have_the_interval_of_students_t():
    gained = np.random.default_rng(0).standard_normal(400)
    found = of_pictures(np.zeros((1, 400)), gained[None], np.arange(400))
    low, high = stats.t.interval(0.95, 399, gained.mean(), stats.sem(gained))
    assert found.mean == pytest.approx(gained.mean())
    assert found.high - found.low == pytest.approx(high - low, rel=0.06)
    assert (found.pictures, found.photographs, found.seeds, found.why) == (400, 400, (1, 1), "")


def test_two_seeds_of_one_run_alone_have_students_t_too():
    first, second = np.array([1.0, 2.0, 4.0]), np.array([5.0, 5.0, 5.0])
    found = of_sets(first, second, 24, 9)
    half = stats.t.ppf(0.975, 2) * first.std(ddof=1) / np.sqrt(3)
    assert found.mean == pytest.approx(8 / 3)
    assert found.high - found.mean == pytest.approx(half, rel=0.1)


def test_the_mean_is_over_pictures_not_over_photographs():
    values = np.array([[1.0, 1, 1, 1, 6, 0, 0, 0]])
    found = of_pictures(np.zeros((1, 8)), values, np.array([0, 0, 0, 0, 1, 2, 3, 4]))
    assert found.mean == 10 / 8 and found.photographs == 5


def test_a_difference_that_is_the_same_on_every_photograph_is_certain():
    base = np.random.default_rng(0).standard_normal((1, 24))
    found = of_pictures(base, base + 0.25, np.arange(24) // 3)
    assert found.low == pytest.approx(0.25) and found.high == pytest.approx(0.25) and found.sign == 1
    assert of_pictures(base, base, np.arange(24) // 3).sign == 0


def test_one_photograph_that_differs_decides_nothing():
    base = np.zeros((1, 12))
    found = of_pictures(base, base + np.eye(1, 12), np.arange(12))
    assert (found.low, found.why, found.sign) == (None, ALIKE, 0)


def test_what_has_no_interval_says_why():
    few, none = np.ones((1, 6)), np.full((1, 6), np.inf)
    assert of_pictures(few, few + 1, np.arange(6) // 2).why == FEW
    assert of_pictures(none, none, np.arange(6)).why == UNDEFINED
    assert of_sets(np.ones(1), np.zeros(1), 24, 9).why == ONE_SEED
    assert of_sets(np.array([np.nan]), np.zeros(1), 24, 9).why == UNDEFINED


def test_pictures_without_a_finite_value_of_both_are_left_out():
    first, second = np.arange(8.0)[None], np.arange(8.0)[None] + 1
    first[0, 2], second[0, 5] = np.nan, np.inf
    found = of_pictures(first, second, np.arange(8))
    assert (found.pictures, found.photographs, found.mean) == (6, 6, 1)


def test_turned_round_it_is_the_same_interval():
    first, second, of = made(np.random.default_rng(3), 9, "normal", (3, 1), 0.3)
    there, back = of_pictures(first, second, of), of_pictures(second, first, of)
    assert there.reversed.mean == pytest.approx(back.mean) and there.reversed.seeds == back.seeds
    assert there.reversed.low == pytest.approx(back.low, rel=0.05)
    assert of_sets(np.ones(1), np.zeros(1), 1, 1).reversed.low is None


def test_equal_values_have_equal_intervals_whatever_the_order_of_pictures():
    first, second, of = made(np.random.default_rng(3), 9, "normal", (1, 1), 0)
    turned = of_pictures(first[:, ::-1], second[:, ::-1], of[::-1])
    assert of_pictures(first, second, of).low == pytest.approx(turned.low)

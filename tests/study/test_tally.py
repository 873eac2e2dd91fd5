import math

import numpy as np
import pytest

from palimpsest.study.tally import Vote, Z, bootstrap, fleiss_kappa, tally, wilson, winners

# Ten pictures, fourteen raters, five answers, and 0.210: the worked example of Wikipedia's "Fleiss' kappa".
EXAMPLE = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        (EXAMPLE, 0.2099),
        ([[3, 0], [0, 3]], 1),
        ([[1, 1], [1, 1]], -1),  # P = 0, Pₑ = 1/2
        ([[3, 0], [0, 2], [1, 0]], 1),  # unequal numbers of raters, who agree
        ([[1, 1], [2, 1]], -5 / 7),  # P = (0 + 1/3) / 2, p = (7/12, 5/12)
        ([[2, 0], [0, 1]], 1),  # the single vote counts for chance alone: P = 1, Pₑ = 1/2
    ],
)
def test_kappa_is_that_of_worked_examples(counts, kappa):
    assert fleiss_kappa(np.array(counts)) == pytest.approx(kappa, abs=5e-5)


@pytest.mark.parametrize("counts", [[[1, 0], [0, 1]], [[2, 0], [3, 0]]])
def test_kappa_has_no_value_without_pairs_of_raters_or_with_one_answer(counts):
    assert math.isnan(fleiss_kappa(np.array(counts)))


def test_wilsons_interval_is_that_of_the_closed_form():
    n = 40
    assert wilson(0, n) == pytest.approx((0, Z**2 / (n + Z**2)))
    assert wilson(n, n) == pytest.approx((n / (n + Z**2), 1))
    half = 0.5 * Z / math.sqrt(n + Z**2)
    assert wilson(n // 2, n) == pytest.approx((0.5 - half, 0.5 + half))
    assert wilson(15, 50) == pytest.approx((0.1910, 0.4375), abs=1e-4)  # scipy 1.17.1


def test_the_bootstrap_draws_raters_with_all_their_votes():
    alike = np.array([[3, 1]] * 6)
    assert bootstrap(alike) == [(0.75, 0.75), (0.25, 0.25)]
    apart = np.array([[20, 0], [0, 20]])
    assert bootstrap(apart) == [(0, 1), (0, 1)]  # with 40 independent votes it would be 0.35 to 0.65
    assert bootstrap(np.array([[5, 1], [2, 4], [3, 3]])) == bootstrap(np.array([[5, 1], [2, 4], [3, 3]]))


def test_the_bootstrap_of_many_raters_nears_the_normal_interval():
    raters = np.random.default_rng(0).random(400) < 0.3
    (low, high), _ = bootstrap(np.stack([raters, ~raters], 1).astype(int))
    share = raters.mean()
    half = Z * math.sqrt(share * (1 - share) / 400)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.006)


def test_a_picture_without_a_strict_majority_has_no_winner():
    assert winners(np.array([[3, 1, 1], [0, 2, 2], [1, 0, 0]])) == [0, None, 0]


def test_a_tally_counts_everything_once():
    votes = [Vote("a", "1", "x"), Vote("b", "1", "x"), Vote("a", "2", "y"), Vote("b", "2", "x"), Vote("a", "3", "y")]
    found = tally(votes, ["x", "y", "z"])
    assert [(share.votes, share.share) for share in found.shares.values()] == [(3, 0.6), (2, 0.4), (0, 0)]
    assert found.wins == {"x": 1, "y": 1, "z": 0}
    assert (found.ties, found.pictures, found.raters, found.votes) == (1, 3, 2, 5)
    assert found == tally(votes[::-1], ["x", "y", "z"])


def test_one_rater_has_wilsons_interval():
    found = tally([Vote("a", str(i), "x" if i < 3 else "y") for i in range(10)], ["x", "y"])
    assert found.shares["x"][2:] == wilson(3, 10) and found.agreement == "undefined"


@pytest.mark.parametrize("raters", [2, 4, 5])
def test_few_raters_are_not_drawn_from(raters):
    votes = [Vote(f"r{i}", f"p{j}", "a" if (i + j) % 2 else "b") for i in range(raters) for j in range(2)]
    found = tally(votes, ["a", "b"]).shares["a"]
    assert found.share == 0.5
    drawn = (found.low, found.high) == (0.5, 0.5)  # every rater votes for each once
    assert drawn == (raters >= 5)

"""Learning rates of a phase, iteration by iteration."""

import math

import pytest

from palimpsest.learning.schedule import Cosine, Linear, Phase


def test_a_rate_that_falls_along_a_cosine_restarts():
    phase = Phase(name="only", iterations=8, learning_rate=Cosine(highest=0.1, lowest=0.02, periods=2))
    rates = [phase.highest_rate * phase.share(i) for i in range(8)]
    middle = 0.02 + 0.08 * (1 + math.cos(math.pi / 4)) / 2
    assert rates == pytest.approx([0.1, middle, 0.06, 0.12 - middle] * 2)
    steady = Phase(name="only", iterations=8, learning_rate=0.1)
    assert {steady.highest_rate * steady.share(i) for i in range(8)} == {0.1}


def test_a_rate_that_falls_straight_ends_at_its_lowest():
    phase = Phase(name="only", iterations=4, learning_rate=Linear(highest=0.1, lowest=0.02))
    assert [phase.highest_rate * phase.share(i) for i in range(4)] == pytest.approx([0.1, 0.08, 0.06, 0.04])
    with pytest.raises(ValueError, match=r"lowest is 0.2 and highest 0.1; accepted: a rate that falls"):
        Linear(highest=0.1, lowest=0.2)

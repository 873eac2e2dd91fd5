"""The order of the pictures, and of the results on each page, balanced over raters and pictures.

A Williams square (Williams 1949, "Experimental designs balanced for the estimation of residual effects of treatments")
of M rows holds every method once at every place, and over it and its mirror image each method follows every other
equally often.
"""

import numpy as np

from palimpsest.config.numbers import Count, Seed
from palimpsest.config.yaml import Settings

SEQUENCES = 60  # orders of the pictures; rater 60 has the first one again


class Config(Settings):
    """A profile's `study`."""

    seed: Seed  # of the order in which a rater sees the pictures
    pictures: Count  # of each slot and kind of hole, at most the paper's number


def williams(methods: int) -> list[list[int]]:
    """A Williams square: M rows, each an order of the methods 0 … M − 1.

    >>> williams(4)
    [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(methods)]
    return [[(method + row) % methods for method in zigzag] for row in range(methods)]


def arrangement(rater: int, trial: int, methods: int) -> list[int]:
    """The method at each place of a trial's page, for a rater; both count from 0.

    Over M raters from a multiple of M on, each picture has every method once at every place; over M trials likewise,
    for each rater. Over 2 M, each method is right of every other equally often.
    """
    order = williams(methods)[(rater + trial) % methods]
    mirrored = (rater // methods + trial // methods) % 2
    return order[::-1] if mirrored else order


def arrangements(trial: int, methods: int) -> list[list[int]]:
    """Every arrangement of a trial; a rater gets that at their number modulo 2 M."""
    return [arrangement(rater, trial, methods) for rater in range(2 * methods)]


def sequences(trials: int, seed: int) -> list[list[int]]:
    """Orders of the trials; a rater gets that at their number modulo `SEQUENCES`."""
    return [np.random.default_rng([seed, number]).permutation(trials).tolist() for number in range(SEQUENCES)]

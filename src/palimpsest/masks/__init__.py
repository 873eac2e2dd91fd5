"""Holes: every kind that the papers train or test on, each a function of an explicit random generator.

A hole is bool (size, size), True = missing. A kind is a name in the settings and a shape with its numbers; a fixed hole
depends on the seed, the kind's name and the picture's id alone. Lengths in the settings are px of a picture of 256 px.
"""

from palimpsest.masks.bank import Bank, bank_folder, check_hole, read_bank, write_bank
from palimpsest.masks.bins import bin_counts
from palimpsest.masks.config import Config, fixed_hole, training_hole

__all__ = [
    "Bank",
    "Config",
    "bank_folder",
    "bin_counts",
    "check_hole",
    "fixed_hole",
    "read_bank",
    "training_hole",
    "write_bank",
]

"""Holes of every kind. A hole depends only on the seed, its kind and its picture."""

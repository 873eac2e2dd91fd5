"""Holes of every kind, each a function of (seed, picture)."""

"""Evaluation: pictures filled and scored, architectures counted and timed."""

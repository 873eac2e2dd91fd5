"""Figures: one file a subject, one function a kind of figure; draw.py knows them all."""

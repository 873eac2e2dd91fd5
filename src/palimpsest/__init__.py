"""Regenerates the tables and figures of four image-inpainting papers from raw pictures."""

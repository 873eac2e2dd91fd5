"""Figures, drawn from kept samples and logs."""

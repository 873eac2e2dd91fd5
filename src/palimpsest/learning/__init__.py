"""How methods learn: their schedules, and what their optimisation steps share."""

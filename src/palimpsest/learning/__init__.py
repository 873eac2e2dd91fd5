"""How methods learn: schedules and steps."""

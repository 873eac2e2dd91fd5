"""What the papers claim, and what our measurements say of it."""

"""Pictures filled, scored and timed."""

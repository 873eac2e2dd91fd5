"""Tables: one model, every format."""

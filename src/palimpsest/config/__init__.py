"""Settings: strict YAML, runs, and what differs between machines."""

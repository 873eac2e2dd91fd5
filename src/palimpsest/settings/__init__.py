"""params.yaml as a whole: its schema, its checks, and the part that each stage is given."""

"""params.yaml as a whole: its shape, what cannot be, and what each stage is given of it."""

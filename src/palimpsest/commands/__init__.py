"""The commands of `python -m palimpsest`: what each takes, and what it does."""

"""The papers as data: their tables, their published numbers, and what each metric means."""

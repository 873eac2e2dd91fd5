"""Running the pipeline's stages side by side, on one machine or many: Dask schedules, DVC decides and records."""

"""Training: batches, the loop, sample grids, exact resume, checkpoints."""

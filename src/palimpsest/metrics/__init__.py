"""Metrics by id: each a pure function of a batch, one number a picture.

A metric takes `result` and `image`, (B, 3, H, W) in [0, 1] after rounding to 8 bits, and `hole` (B, 1, H, W).
Ids that end in `_hole…` look at hole pixels only. Unit, direction and digits stand in papers/metrics.yaml.
"""

from palimpsest.metrics import pixel as pixel
from palimpsest.metrics.registry import METRICS as METRICS

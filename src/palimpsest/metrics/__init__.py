"""Metrics by id.

`pixel` holds pure functions of one picture's result, original and hole; `registry` finds them by id. Ids with `_hole`
look only at hole pixels; ids that end in `_raw` look at the output before the known pixels are put back. `features`
holds the metrics on features of networks, and those of a whole set of pictures. papers/metrics.yaml gives the unit,
direction, digits and definition of each.

This package imports neither module, so that code that needs one does not depend on the other.
"""

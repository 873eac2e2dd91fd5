"""Metrics by id: each a pure function of one picture's result, original and hole.

`pixel` has them and the dicts that name them. Ids that end in `_hole…` look at hole pixels only, ids that end in `_raw`
at the output before the known pixels are put back. Unit, direction, digits and definition stand in papers/metrics.yaml.
Metrics on features of networks, and those of a whole set of pictures, stand in `features`. The package itself imports
neither, so that who needs the one does not depend on the other.
"""

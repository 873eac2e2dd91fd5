"""Records why a network was not measured, in place of its results."""

import numpy as np

from palimpsest.storage import replacing, write_json, write_text
from palimpsest.workspace import Workspace


def write_absence(name: str, settings: str, why: str) -> None:
    """Writes metrics.json with the reason, and nothing into the other files of results/<name>."""
    results = Workspace().results(name)
    write_json(results.metrics, {"settings": settings, "absent": why})
    write_json(results.summary, {})
    write_text(results.per_image, "")
    with replacing(results.samples) as temporary:
        np.savez(temporary)

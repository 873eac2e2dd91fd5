"""Claims about results whose values are known."""

from dataclasses import replace

import numpy as np

from palimpsest.claims.claim import Pair, PictureClaim
from palimpsest.claims.evidence import Evidence

PHOTOGRAPHS = np.arange(24) // 3  # eight of three tiles


def evidence(fake, photographs=PHOTOGRAPHS) -> Evidence:
    """The results of a fake project, its pictures cut from these photographs."""
    return Evidence(replace(fake.measured, _photographs={"scenes": photographs}))


def claim(**changes) -> PictureClaim:
    """That DeepFill v1 has a higher PSNR in the hole than its baseline."""
    about = {"id": "deepfill-v1/text/a", "paper": "deepfill-v1", "table": "", "place": "Section 5", "text": "It is."}
    about |= {"measure": "PSNR", "tested": "", "slot": "scenes", "metric": "psnr_hole", "better": 1}
    about |= {"holes": {"rectangle": 1}, "pairs": [Pair("deepfill-v1", "deepfill-v1-baseline", 0.76)]}
    return PictureClaim(**about | changes)

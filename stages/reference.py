"""data/<slot>/reference: the features of a slot's original test pictures, for metrics of sets."""

import numpy as np
from tqdm import tqdm

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.data.shards import Shard
from palimpsest.metrics.features import Features
from palimpsest.metrics.sets import write_reference
from palimpsest.resolved import Resolved
from palimpsest.workspace import Workspace
from stages import run

BATCH = 8  # pictures; changes memory and speed, and values by rounding alone


def main(resolved: Resolved) -> None:
    files = Workspace().slot(resolved.name)
    features = Features(Workspace().weights, choose_device(read_runtime()))
    shard = Shard(files.shard("test"))
    starts = tqdm(range(0, len(shard), BATCH), desc="originals", disable=None)
    pooled = [features.pool(np.stack([shard[i] for i in range(s, min(s + BATCH, len(shard)))])) for s in starts]
    found = {network: np.concatenate([batch[network] for batch in pooled]) for network in pooled[0]}
    write_reference(found, files.reference)


if __name__ == "__main__":
    run(main)

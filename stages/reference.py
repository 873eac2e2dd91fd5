"""data/<slot>/reference: the statistics of a slot's real test pictures, for Fréchet distances."""

import numpy as np
from tqdm import tqdm

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.data.shards import Shard
from palimpsest.metrics.features import Features, Statistics, write_reference
from palimpsest.resolved import Resolved
from palimpsest.workspace import Workspace
from stages import run

BATCH = 8  # pictures; changes memory and speed, and values by rounding alone


def main(resolved: Resolved) -> None:
    files = Workspace().slot(resolved.name)
    features = Features(Workspace().weights, choose_device(read_runtime()))
    shard = Shard(files.shard("test"))
    starts = tqdm(range(0, len(shard), BATCH), desc="real pictures", disable=None)
    pooled = [features.pool(np.stack([shard[i] for i in range(s, min(s + BATCH, len(shard)))])) for s in starts]
    reference = {network: Statistics.of(np.concatenate([batch[network] for batch in pooled])) for network in pooled[0]}
    write_reference(reference, files.reference)


if __name__ == "__main__":
    run(main)

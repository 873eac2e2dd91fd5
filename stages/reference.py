"""data/<slot>/reference: the statistics of a slot's real test pictures, for Fréchet distances."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from palimpsest import weights
from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.config.yaml import argument, stage
from palimpsest.data.shards import Shard
from palimpsest.metrics.features import Features, Statistics, write_reference

BATCH = 8  # pictures; changes memory and speed, and values by rounding alone


def main() -> None:
    folder = Path("data") / argument("a slot")
    features = Features(weights.FOLDER, choose_device(read_runtime()))
    shard = Shard(folder / "shards" / "test")
    starts = tqdm(range(0, len(shard), BATCH), desc="real pictures", disable=None)
    pooled = [features.pool(np.stack([shard[i] for i in range(s, min(s + BATCH, len(shard)))])) for s in starts]
    reference = {network: Statistics.of(np.concatenate([batch[network] for batch in pooled])) for network in pooled[0]}
    write_reference(reference, folder / "reference")


if __name__ == "__main__":
    stage(main)

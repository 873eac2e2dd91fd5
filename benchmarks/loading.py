"""How fast photographs are packed into a shard and training crops are read from it, on the CPU.

    python benchmarks/loading.py [--photographs 300] [--rounds 7]

The bundled photographs, cut to 512 × 683 px and stored as JPEG of quality 92 in a tar like high-resolution Places2, are
packed by one core and by all. Then crops of 256 px are read from the shard and, decoded each time, from the JPEG files,
in turns in one process. Prints pictures/s, medians over the rounds.
"""

import argparse
import io
import os
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import checkout as checkout
import numpy as np
from PIL import Image

from palimpsest.config.yaml import build
from palimpsest.data import archives, listed, packing
from palimpsest.data.catalogue import Slot
from palimpsest.data.crops import Crops, random_crop
from palimpsest.data.shards import Shard
from palimpsest.inpainting import to_tensors

HEIGHT, WIDTH, QUALITY, BATCH = 512, 683, 92, 16
CROPS = {"dataset": "made", "scale": None, "size": 256, "resize": "bilinear", "small": "enlarge", "crop": "centre"}
LISTED = {"rule": "listed", "photographs": "bundled-photos", "buckets": None, "packages": "python", "minimum": 9}


def photographs(count: int) -> list[bytes]:
    """JPEG files of random parts of the bundled photographs."""
    slot = build(Slot, {"dataset": "bundled-photos", "entry": LISTED}, "")
    originals = [Image.open(io.BytesIO(file)).convert("RGB") for _, file, _ in listed.found(slot.entry, Path(), None)]
    draw, files = np.random.default_rng(0), []
    for number in range(count):
        original = originals[number % len(originals)]
        width = int(draw.integers(original.width * 2 // 3, original.width))
        left = int(draw.integers(original.width - width + 1))
        part = original.crop((left, 0, left + width, min(original.height, width * HEIGHT // WIDTH)))
        file = io.BytesIO()
        part.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, "JPEG", quality=QUALITY)
        files.append(file.getvalue())
    return files


def pack(tar: Path, config: Crops, folder: Path, cores: int) -> float:
    """The seconds it takes; every photograph is for training."""
    names = list(archives.names(tar))
    source = packing.Source({"train": names}, lambda wanted: archives.stream(tar, set(wanted)), shared=False)
    with patch.object(os, "sched_getaffinity", lambda _: range(cores)):
        start = time.perf_counter()
        packing.pack(config, source, folder / "shards", folder / "scratch")
        return time.perf_counter() - start


def crop_of_file(file: bytes, number: int) -> np.ndarray:
    """The crop as a loader that reads JPEG files makes it."""
    draw = np.random.default_rng([1, number])
    picture = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    top, left = (int(draw.integers(side - 256 + 1)) for side in picture.shape[:2])
    return picture[top : top + 256, left : left + 256]


def rates(ways: dict, rounds: int) -> dict[str, float]:
    """{way: pictures/s, the median}, one warm-up each, then in turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for lap in range(rounds + 1):
        for name, (count, take) in ways.items():
            start = time.perf_counter()
            for number in range(count):
                take(number)
            if lap:
                found[name].append(count / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photographs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    config, files = build(Crops, CROPS, ""), photographs(arguments.photographs)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with tarfile.open(root / "made.tar", "w") as tar:
            for number, file in enumerate(files):
                info = tarfile.TarInfo(f"data_large/{number:08}.jpg")
                info.size = len(file)
                tar.addfile(info, io.BytesIO(file))
        cores = len(os.sched_getaffinity(0))
        seconds: dict[int, list[float]] = {1: [], cores: []}
        for lap in range(3):
            for count in seconds:
                seconds[count].append(pack(root / "made.tar", config, root / f"{count}-{lap}", count))
        for count, found in seconds.items():
            print(f"packed by {count} core(s): {len(files) / statistics.median(found):.0f} photographs/s")
        shard = Shard(root / f"{cores}-0" / "shards" / "train")
        holes = np.zeros((BATCH, 256, 256), bool)

        def batch(take) -> None:
            to_tensors(np.stack([take(number) for number in range(BATCH)]), holes)

        def of_shard(number: int) -> np.ndarray:
            return random_crop(shard, number, config, ["flip"], 1)

        def of_file(number: int) -> np.ndarray:
            return crop_of_file(files[number % len(files)], number)

        found = rates({"shard": (2000, of_shard), "JPEG": (100, of_file)}, arguments.rounds)
        print(
            f"crops: shard {found['shard']:.0f}/s, JPEG {found['JPEG']:.0f}/s: {found['shard'] / found['JPEG']:.0f} x"
        )
        ways = {"shard": (20, lambda _: batch(of_shard)), "JPEG": (5, lambda _: batch(of_file))}
        found = {name: rate * BATCH for name, rate in rates(ways, arguments.rounds).items()}
        print(f"float batches: shard {found['shard']:.0f}/s, JPEG {found['JPEG']:.0f}/s: "
              f"{found['shard'] / found['JPEG']:.0f} times; load average {os.getloadavg()[0]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()

"""Holes in ratio bins: adding strokes until the bin is reached, against drawing whole holes until one falls into it.

    python benchmarks/holes.py [--size 256] [--holes 20] [--rounds 7] [--patience 3000]

Whole holes come from the project's own DeepFill v2 brush and PICNet's irregular holes, which OpenCV draws as it does
ours. All take turns in one process, bin by bin, with the same seeds. A generator that does not reach a bin within
`--patience` draws is left out of it. Whole holes may lie anywhere; ours touch the border.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from checkout import ROOT

from palimpsest.config.yaml import build, read_yaml
from palimpsest.holes.bins import bin_counts
from palimpsest.holes.kinds import Holes

BINS = ["0-10", "10-20", "20-30", "30-40", "40-50", "50-60"]
GENERATORS = ["brush", "picnet-irregular"]
WAYS = ["ours", *GENERATORS]


def rejected(config: Holes, generator: str, counts: range, size: int, rng: np.random.Generator) -> np.ndarray:
    """The first hole of a generator whose number of missing pixels lies in `counts`."""
    while True:
        hole = config.draw(generator, size, rng)
        if np.count_nonzero(hole) in counts:
            return hole


def reaches(config: Holes, generator: str, counts: range, size: int, patience: int) -> bool:
    rng = np.random.default_rng(0)
    return any(np.count_nonzero(config.draw(generator, size, rng)) in counts for _ in range(patience))


def milliseconds(draw: Callable[[np.random.Generator], np.ndarray], holes: int, seed: int) -> float:
    """The mean time of one hole over `holes` draws."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    for _ in range(holes):
        draw(rng)
    return (time.perf_counter() - start) / holes * 1e3


def compare(config: Holes, name: str, arguments: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """{way: (median, minimum) time of one hole in ms}, for the ways that reach the bin at all."""
    size, kind = arguments.size, config.kind(f"irregular-{name}")
    counts = bin_counts(kind.above, kind.up_to, size**2)
    ways: dict[str, Callable] = {"ours": lambda rng: kind.draw(size, rng)}
    for generator in GENERATORS:
        if reaches(config, generator, counts, size, arguments.patience):
            ways[generator] = lambda rng, generator=generator: rejected(config, generator, counts, size, rng)
    for draw in ways.values():
        milliseconds(draw, 2, 0)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(arguments.rounds):
        for way, draw in ways.items():
            times[way].append(milliseconds(draw, arguments.holes, seed))
    return {way: (statistics.median(column), min(column)) for way, column in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--holes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patience", type=int, default=3000)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = build(Holes, read_yaml(ROOT / "params.yaml")["holes"], "holes")
    load = os.getloadavg()[0]
    print(
        f"OpenCV {cv2.__version__}, 1 thread, load average {load:.2f}; {arguments.size} px, ms a hole: median (minimum)"
    )
    print(f"  {'bin':6}" + "".join(f"{way:>22}" for way in WAYS) + f"{'quicker / ours':>18}")
    ours, quickest = np.zeros(2), np.zeros(2)  # median, minimum
    for name in BINS:
        found = compare(config, name, arguments)
        cells = [f"{found[way][0]:.2f} ({found[way][1]:.2f})" if way in found else "never" for way in WAYS]
        quicker = min(found[way] for way in found if way != "ours")
        ours, quickest = ours + found["ours"], quickest + quicker
        print(f"  {name:6}" + "".join(f"{cell:>22}" for cell in cells) + f"{quicker[0] / found['ours'][0]:18.1f}")
    print(f"  one hole of every bin: ours {ours[0]:.2f}, by the quicker generator of each {quickest[0]:.2f}")
    print(f"  quicker / ours: median {quickest[0] / ours[0]:.1f}, minimum {quickest[1] / ours[1]:.1f}")


if __name__ == "__main__":
    main()

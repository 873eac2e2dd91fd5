"""CARAFE's speed, and T-MAD's speed and training memory, on the CPU.

    python benchmarks/tmad.py [--threads 2] [--rounds 5] [--holes 256 128]

1. CARAFE's reassembly from 64 to 128 px against the textbook form and bilinear enlargement, without gradients.
2. Memory of one forward and backward pass: PSNet on all patches of a batch of pictures against the refinement network
   of DeepFill v2 on the whole pictures. Each has its own process, less that of a process that only builds the network.
3. T-MAD on a picture of 512 px against DeepFill v2 with textbook attention, at the paper's widths with random weights,
   for centred holes of several sides. Both take turns in one process.
"""

import argparse
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import time
from functools import partial

import torch
from generator import at_paper_scale, generators
from torch.nn.functional import interpolate

from layers.textbook_carafe import textbook_reassembly
from palimpsest.evaluation.speed import MMAP_THRESHOLD
from palimpsest.layers.carafe import reassemble

PICTURES = 4  # in a batch
PATCHES = (16, 25)  # in a picture whose hole of 128 px is aligned with the grid of patches, or not


def medians(forms: dict, rounds: int) -> dict[str, float]:
    """{form: median milliseconds}, one warm-up each, then in turns."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    with torch.inference_mode():
        for lap in range(rounds + 1):
            for name, run in forms.items():
                start = time.perf_counter()
                run()
                if lap:
                    times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def carafe(rounds: int) -> None:
    for channels in (64, 128, 256):
        features, weights = torch.rand(1, channels, 64, 64), torch.rand(1, 25, 4, 64, 64).softmax(1)
        found = medians(
            {
                "ours": lambda f=features, w=weights: reassemble(f, w),
                "textbook": lambda f=features, w=weights: textbook_reassembly(f, w),
                "bilinear": lambda f=features: interpolate(f, scale_factor=2, mode="bilinear"),
            },
            4 * rounds,
        )
        print(
            f"CARAFE 64 to 128 px, {channels} channels: ours {found['ours']:.1f} ms, textbook "
            f"{found['textbook']:.1f} ms ({found['textbook'] / found['ours']:.1f} x), bilinear "
            f"{found['bilinear']:.2f} ms (ours {found['ours'] / found['bilinear']:.1f} x)"
        )


def speed(rounds: int, sides: list[int], size: int = 512) -> None:
    torch.manual_seed(0)
    models = {"T-MAD": at_paper_scale("tmad"), "DeepFill v2, textbook": generators()["textbook"]}
    for side in sides:
        hole = torch.zeros(1, 1, size, size)
        first = (size - side) // 2
        hole[..., first : first + side, first : first + side] = 1
        image = torch.rand(1, 3, size, size) * (1 - hole)
        ours, theirs = medians({name: partial(m.inpaint, image, hole) for name, m in models.items()}, rounds).values()
        print(f"{size} px, hole of {side} px: T-MAD {ours:.0f} ms, DeepFill v2 {theirs:.0f} ms: {theirs / ours:.2f} x")


def train_once(case: str) -> None:
    """One forward and backward pass; "… none" only builds."""
    ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 2**16)  # freed tensors are returned at once: the peak is of what is held
    name, _, count = case.partition("-")
    if name == "psnet":
        network = at_paper_scale("tmad").networks["psnet"]
        batch = 0 if count == "none" else PICTURES * int(count)
        inputs = [torch.rand(batch, *shape) for shape in ((3, 96, 96), (4, 3, 32, 32))]
    else:
        network = at_paper_scale("deepfill-v2").networks["generator"].refinement
        inputs = [torch.rand(PICTURES, channels, 256, 256) for channels in (3, 1)]
    network.requires_grad_(True)
    if count != "none":
        output = network.train()(*inputs)
        (output if name == "psnet" else output[0]).square().mean().backward()


def peak_mib(case: str, threads: int) -> float:
    command = [sys.executable, __file__, "--threads", str(threads), "--peak", case]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory(threads: int) -> None:
    psnet = {count: peak_mib(f"psnet-{count}", threads) - peak_mib("psnet-none", threads) for count in PATCHES}
    whole = peak_mib("refinement-all", threads) - peak_mib("refinement-none", threads)
    for count, peak in psnet.items():
        print(
            f"training pass, {PICTURES} pictures of 256 px: PSNet on {count} patches each {peak:.0f} MiB, "
            f"DeepFill v2's refinement network {whole:.0f} MiB: {100 * (1 - peak / whole):+.0f} % saved"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--holes", type=int, nargs="+", default=[256, 128], help="px, sides of the holes at 512 px")
    parser.add_argument("--peak", help="print the peak MiB of one case of training alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        train_once(arguments.peak)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}")
    carafe(arguments.rounds)
    memory(arguments.threads)
    speed(arguments.rounds, arguments.holes)


if __name__ == "__main__":
    main()

"""Contextual attention against its textbook form: seconds and peak memory, on the CPU.

    python benchmarks/contextual_attention.py [--threads 2] [--rounds 5]

Both forms take turns in one process on the same features: 128 channels at a quarter of the picture's size, with a
centred hole of half its side. Peak memory is measured in a fresh process for each case, less that of a process that
only imports and creates the features.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import checkout as checkout
import torch
from torch import Tensor

from layers.textbook_attention import textbook_attention
from palimpsest.layers.contextual_attention import contextual_attention

FORMS = {
    "none": lambda *features: features,
    "ours": contextual_attention,
    "textbook": textbook_attention,
}
MIB = 2**20
TIMED = [(256, 256), (512, 512)]  # px, height and width of the picture
MEASURED = [(256, 256), (512, 512), (1024, 1024), (1080, 1920)]
TEXTBOOK_LIMIT = 512  # px; its score matrices grow with the fourth power of the side


def features(height: int, width: int, batch: int = 1, channels: int = 128) -> tuple[Tensor, Tensor, Tensor]:
    """Foreground and background (B, C, height, width), hole (B, 1, height, width)."""
    generator = torch.Generator().manual_seed(0)
    foreground, background = torch.randn(2, batch, channels, height, width, generator=generator)
    hole = torch.zeros(batch, 1, height, width)
    hole[..., height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    return foreground, background, hole


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(name: str, ours: Callable[[], object], textbook: Callable[[], object], rounds: int) -> None:
    """Runs one warm-up each, then both in turns; prints medians, minima and their ratios."""
    ours(), textbook()
    times = [(seconds(ours), seconds(textbook)) for _ in range(rounds)]
    print(name)
    summary = {}
    for form, column in zip(("ours", "textbook"), zip(*times, strict=True), strict=True):
        summary[form] = statistics.median(column), min(column)
        print(f"  {form:9} median {summary[form][0] * 1e3:8.1f} ms, minimum {summary[form][1] * 1e3:8.1f} ms")
    median, minimum = (slow / fast for slow, fast in zip(summary["textbook"], summary["ours"], strict=True))
    print(f"  textbook / ours: median {median:.2f}, minimum {minimum:.2f}")


def compare_forward(height: int, width: int, rounds: int) -> None:
    inputs = features(height // 4, width // 4)
    with torch.no_grad():
        ours, textbook = (form(*inputs, softmax_scale=0.1)[0] for form in (contextual_attention, textbook_attention))
        gap = (ours - textbook).abs().max()
        name = f"picture {height} x {width}, forward; largest difference at softmax scale 0.1: {gap:.1e}"
        compare(name, lambda: contextual_attention(*inputs), lambda: textbook_attention(*inputs), rounds)


def compare_training(rounds: int) -> None:
    foreground, background, hole = features(16, 16, batch=8, channels=32)
    foreground.requires_grad_()
    background.requires_grad_()

    def step(form: Callable) -> None:
        form(foreground, background, hole)[0].square().sum().backward()

    name = "8 pictures of 64 x 64, 32 channels, forward and backward"
    compare(name, lambda: step(contextual_attention), lambda: step(textbook_attention), rounds)


def own_peak_mib(form: str, height: int, width: int) -> float:
    inputs = features(height // 4, width // 4)
    with torch.no_grad():
        FORMS[form](*inputs)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_mib(form: str, height: int, width: int, threads: int) -> float:
    """In a fresh process. Linux counts what the parent held when it started the child: call before anything large."""
    case = [form, str(height), str(width)]
    command = [sys.executable, __file__, "--threads", str(threads), "--peak", *case]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare_memory(threads: int) -> None:
    for height, width in MEASURED:
        floor = peak_mib("none", height, width, threads)
        print(f"picture {height} x {width}, peak memory above the {floor:.0f} MiB of a bare process")
        print(f"  ours      {peak_mib('ours', height, width, threads) - floor:8.0f} MiB")
        if max(height, width) <= TEXTBOOK_LIMIT:
            print(f"  textbook  {peak_mib('textbook', height, width, threads) - floor:8.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=3, metavar=("FORM", "HEIGHT", "WIDTH"), help="print the MiB of this case alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        form, height, width = arguments.peak
        print(own_peak_mib(form, int(height), int(width)))
        return
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}")
    compare_memory(arguments.threads)
    for height, width in TIMED:
        compare_forward(height, width, arguments.rounds)
    compare_training(arguments.rounds)


if __name__ == "__main__":
    main()

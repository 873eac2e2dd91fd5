"""HiFill's attention, computed once and pasted at three scales, against patches as convolution kernels, on the CPU.

    python benchmarks/hifill.py [--size 512] [--threads 2] [--rounds 5]

Both forms take turns in one process on the same features and scores: 128, 64 and 32 channels at an eighth, a quarter
and half of the picture's size. Then the peak memory of the whole process in which HiFill, at the paper's widths, fills
a picture of 1920 x 1080 px, and one of 3000 x 2000 px.
"""

import argparse
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import checkout as checkout
import torch
from contextual_attention import compare
from generator import at_paper_scale
from torch import Tensor
from torch.nn.functional import conv_transpose2d, pad, unfold

from palimpsest.layers.pasting import Canvas, paste_three

LARGE = [(1080, 1920), (2000, 3000)]  # px, height and width of the picture


def textbook(source: Tensor, scores: Tensor, rate: int, side: int) -> Tensor:
    """The sum of weighted patches of `side` px at a stride of `rate`, padded by zeros, one sample at a time."""
    before, after = (side - rate) // 2, -(-(side - rate) // 2)
    h, w = (size // rate for size in source.shape[2:])
    padded = pad(source, (before, after, before, after))
    kernels = unfold(padded, side, stride=rate).mT.unflatten(2, (source.shape[1], side, side))
    rows = scores.mT.unflatten(2, (h, w))
    pasted = [conv_transpose2d(row[None], kernel, stride=rate) for row, kernel in zip(rows, kernels, strict=True)]
    height, width = source.shape[2:]
    return torch.cat(pasted)[..., before : before + height, before : before + width]


def ours(source: Tensor, scores: Tensor, rate: int, side: int) -> Tensor:
    if side == 3:
        return paste_three(source, scores)
    canvas = Canvas(source, rate)
    canvas.paste(scores, 0, source.shape[2] // rate)
    return canvas.picture("summed")


def compare_forms(size: int, rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    places = (size // 16) ** 2
    scores = torch.randn(1, places, places, generator=generator).softmax(2)
    with torch.inference_mode():
        for channels, part, rate, side in ((128, 8, 2, 3), (64, 4, 4, 8), (32, 2, 8, 16)):
            source = torch.randn(1, channels, size // part, size // part, generator=generator)
            arguments = source, scores, rate, side
            gap = (ours(*arguments) - textbook(*arguments)).abs().max()
            name = f"{channels} channels at 1 / {part} of {size} px, patches of {side}; largest difference {gap:.1e}"
            compare(name, partial(ours, *arguments), partial(textbook, *arguments), rounds)


def print_peak(height: int, width: int) -> None:
    """MiB of this process at most, with one picture filled."""
    model = at_paper_scale("cra")
    hole = torch.zeros(1, 1, height, width)
    hole[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    with torch.inference_mode():
        model.inpaint(torch.rand(1, 3, height, width), hole)
    print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="print the MiB of this case")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        print_peak(*arguments.peak)
        return
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}")
    compare_forms(arguments.size, arguments.rounds)
    for height, width in LARGE:
        command = [sys.executable, __file__, "--threads", str(arguments.threads), "--peak", str(height), str(width)]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"picture {height} x {width}, peak memory {peak} MiB")


if __name__ == "__main__":
    main()

"""DeepFill v2's generator with our attention against the textbook form in the same generator, on the CPU.

    python benchmarks/generator.py [--size 512] [--threads 2] [--rounds 5]

Both take turns in one process, at the paper's widths with random weights, on one picture with a centred hole of half
its side. Peak memory is that of a separate process that fills one picture, less that of one that only builds the
generator.
"""

import argparse
import os
import resource
import subprocess
import sys
from functools import partial

import torch
from checkout import ROOT
from contextual_attention import compare

from layers.textbook_attention import textbook_attention
from palimpsest.config import runs
from palimpsest.config.yaml import read_yaml
from palimpsest.evaluation.architectures import build, picture


def at_paper_scale(name: str):
    """A run's model at the paper's widths, untrained."""
    return build(runs.resolve(read_yaml(ROOT / "params.yaml"), name, "paper"))


def generators() -> dict:
    """{form: the same model with one form of attention or the other}."""
    models = {}
    for form in ("ours", "textbook"):
        torch.manual_seed(0)
        models[form] = at_paper_scale("deepfill-v2")
        for module in models[form].networks["generator"].modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(3)  # with random weights, half-open gates would fade the signal out
    attention = models["textbook"].networks["generator"].refinement.attention
    attention.forward = lambda features, hole: textbook_attention(features, features, hole, **attention.options)
    return models


def peak_mib(form: str, size: int, threads: int) -> float:
    command = [sys.executable, __file__, "--size", str(size), "--threads", str(threads), "--peak", form]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", choices=["none", "ours", "textbook"], help="print the MiB of this case alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        models = generators()
        if arguments.peak != "none":
            with torch.inference_mode():
                models[arguments.peak].inpaint(*picture(arguments.size))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    size, threads = arguments.size, arguments.threads
    print(f"torch {torch.__version__}, {threads} threads, load average {os.getloadavg()[0]:.2f}, {size} px")
    peaks = {form: peak_mib(form, size, threads) for form in ("none", "ours", "textbook")}
    ours, textbook = (peaks[form] - peaks["none"] for form in ("ours", "textbook"))
    print(f"peak memory: ours {ours:.0f} MiB, textbook {textbook:.0f} MiB, ours / textbook {ours / textbook:.2f}")
    models = generators()
    with torch.inference_mode():
        _, hole = picture(128)
        image = torch.rand(1, 3, 128, 128) * (1 - hole)
        ours, textbook = (model.inpaint(image, hole) for model in models.values())
        spread, gap = ours.std(), (ours - textbook).abs().max()
        compare(
            f"generator, forward; largest difference of a random picture's output (std {spread:.1e}) {gap:.1e}",
            *(partial(models[form].inpaint, *picture(size)) for form in ("ours", "textbook")),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()

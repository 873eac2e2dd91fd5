"""PEN-Net's attention transfer through the core of contextual attention against its textbook form, on the CPU.

    python benchmarks/attention_transfer.py [--size 256] [--threads 2] [--rounds 5]

Both forms take turns in one process, in PEN-Net's generator at the paper's widths with random weights, on one picture
with a centred hole of half its side.
"""

import argparse
import os
from functools import partial
from types import MethodType

import checkout as checkout
import torch
from contextual_attention import compare
from generator import at_paper_scale
from torch import Tensor

from layers.textbook_transfer import textbook_transfer
from palimpsest.evaluation.architectures import picture
from palimpsest.models.pen_net import AttentionTransfer


def textbook(transfer: AttentionTransfer, shallow: Tensor, deep: Tensor, hole: Tensor) -> Tensor:
    return transfer.mix(textbook_transfer(shallow, deep, hole, kernel=1 if transfer.deepest else 3))


def generators() -> dict:
    """{form: the same model with one form of attention transfer or the other}."""
    models = {}
    for form in ("ours", "textbook"):
        torch.manual_seed(0)
        models[form] = at_paper_scale("pen-net")
        for value in models[form].generator.parameters():
            value.mul_(2.5)  # as it starts, the signal fades out
    for module in models["textbook"].generator.modules():
        if isinstance(module, AttentionTransfer):
            module.forward = MethodType(textbook, module)
    return models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}")
    models = generators()
    with torch.inference_mode():
        image, hole = picture(arguments.size)
        image = torch.rand_like(image) * (1 - hole)
        ours, other = (model.inpaint(image, hole) for model in models.values())
        compare(
            f"PEN-Net, {arguments.size} px, forward; largest difference of a random picture's output "
            f"(std {ours.std():.1e}) {(ours - other).abs().max():.1e}",
            *(partial(models[form].inpaint, image, hole) for form in ("ours", "textbook")),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()

"""Partial convolution with box sums against its textbook form, seconds on the CPU.

    python benchmarks/partial_convolution.py [--size 256] [--threads 2] [--rounds 5]

Both forms take turns in one process, in PConv's generator at the paper's widths with random weights, on one picture
with a centred hole of half its side. The textbook form convolves masks of all channels with a kernel of ones.
"""

import argparse
import os
from functools import partial
from types import MethodType

import checkout as checkout
import torch
from contextual_attention import compare
from generator import at_paper_scale

from layers.textbook_partial_convolution import textbook_partial_conv
from palimpsest.evaluation.architectures import picture
from palimpsest.layers.partial_convolution import PartialConv, Stream


def textbook(conv: PartialConv, *streams: Stream) -> Stream:
    x = torch.cat([stream.features for stream in streams], 1)
    valid = torch.cat([stream.valid.expand_as(stream.features) for stream in streams], 1)
    return Stream(*textbook_partial_conv(x, valid, conv.weight, conv.bias, conv.stride[0], conv.normalisation))


def generators() -> dict:
    """{form: the same model with one form of partial convolution or the other}."""
    models = {}
    for form in ("ours", "textbook"):
        torch.manual_seed(0)
        models[form] = at_paper_scale("pconv")
    for module in models["textbook"].generator.modules():
        if isinstance(module, PartialConv):
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
        gap = (ours - other).abs().max()
        compare(
            f"PConv, {arguments.size} px, forward; largest difference of a random picture's output {gap:.1e}",
            *(partial(models[form].inpaint, image, hole) for form in ("ours", "textbook")),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()

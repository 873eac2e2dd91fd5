"""Networks of rivals with our layers against the same networks with their textbook forms, seconds on the CPU.

    python benchmarks/rivals.py [pconv pen-net picnet] [--size 256] [--threads 2] [--rounds 5]

Both take turns in one process, at the paper's widths with random weights, on one picture with a centred hole of half
its side. PConv's textbook form convolves masks of all channels with a kernel of ones, PEN-Net's takes patches of keys
as convolution kernels, and PICNet's averages after its 1 x 1 convolutions and attends to all positions at once.
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
from torch.nn.functional import avg_pool2d

from layers.textbook_partial_convolution import textbook_partial_conv
from layers.textbook_transfer import textbook_transfer
from palimpsest.evaluation.architectures import picture
from palimpsest.layers.partial_convolution import PartialConv, Stream
from palimpsest.models.pen_net import AttentionTransfer
from palimpsest.models.picnet import DownBlock, SelfAttention, activation


def conv(self: PartialConv, *streams: Stream) -> Stream:
    x = torch.cat([stream.features for stream in streams], 1)
    valid = torch.cat([stream.valid.expand_as(stream.features) for stream in streams], 1)
    return Stream(*textbook_partial_conv(x, valid, self.weight, self.bias, self.stride[0], self.normalisation))


def transfer(self: AttentionTransfer, shallow: Tensor, deep: Tensor, hole: Tensor) -> Tensor:
    return self.mix(textbook_transfer(shallow, deep, hole, kernel=1 if self.deepest else 3))


def down(self: DownBlock, x: Tensor) -> Tensor:
    hidden = self.first(x if self.begins else activation(x))
    return avg_pool2d(self.second(activation(hidden)) + self.bypass(x), 2)


def gathered(self: SelfAttention, x: Tensor, values: Tensor) -> Tensor:
    query = self.query(x).flatten(2)
    return (values.flatten(2) @ (query.mT @ query).softmax(2).mT).unflatten(2, values.shape[2:])


TEXTBOOK = {
    "pconv": [(PartialConv, "forward", conv)],
    "pen-net": [(AttentionTransfer, "forward", transfer)],
    "picnet": [(DownBlock, "forward", down), (SelfAttention, "gathered", gathered)],
}


def compare_forms(run: str, size: int, rounds: int) -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(at_paper_scale(run))
    for kind, method, form in TEXTBOOK[run]:
        for module in models[1].networks.modules():
            if isinstance(module, kind):
                setattr(module, method, MethodType(form, module))
    with torch.inference_mode():
        image, hole = picture(size)
        image = torch.rand_like(image) * (1 - hole)
        ours, textbook = (model.inpaint(image, hole) for model in models)
        gap = (ours - textbook).abs().max()
        name = f"{run}, {size} px; largest difference of a random picture's output (std {ours.std():.1e}) {gap:.1e}"
        compare(name, *(partial(model.inpaint, image, hole) for model in models), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=[*TEXTBOOK], help="all of them when left out")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}")
    for run in arguments.runs:
        compare_forms(run, arguments.size, arguments.rounds)


if __name__ == "__main__":
    main()

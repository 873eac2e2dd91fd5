"""PICNet's down blocks and attention against their textbook forms, on the CPU.

    python benchmarks/picnet.py [--size 256] [--threads 2] [--rounds 5]

Down blocks average before their 1 x 1 convolution, which gives the same at a quarter of the cost. Attention takes
some queries at a time. Both at the paper's widths with random weights, on one picture.
"""

import argparse
import os
from unittest.mock import patch

import torch
from contextual_attention import compare
from generator import at_paper_scale
from torch.nn.functional import avg_pool2d

from palimpsest.layers.self_attention import attend
from palimpsest.models.picnet import DownBlock, activation


def textbook_down(block: DownBlock, x: torch.Tensor) -> torch.Tensor:
    hidden = block.first(x if block.begins else activation(x))
    return avg_pool2d(block.second(activation(hidden)) + block.bypass(x), 2)


def textbook_attention(query: torch.Tensor, key: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values @ (query.mT @ key).softmax(2).mT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size, rounds = arguments.size, arguments.rounds
    print(f"torch {torch.__version__}, {arguments.threads} threads, load average {os.getloadavg()[0]:.2f}, {size} px")
    encoder, picture = at_paper_scale("picnet").networks["encoder"], torch.rand(1, 3, size, size)

    def textbook_encoder() -> torch.Tensor:
        with patch.object(DownBlock, "forward", textbook_down):
            return encoder(picture)[1]

    with torch.inference_mode():
        gap = (encoder(picture)[1] - textbook_encoder()).abs().max()
        name = f"encoder, forward; largest difference {gap:.1e}"
        compare(name, lambda: encoder(picture)[1], textbook_encoder, rounds)
        query, values = torch.rand(1, 32, (size // 8) ** 2), torch.rand(1, 256, (size // 8) ** 2)
        gap = (attend(query, query, values) - textbook_attention(query, query, values)).abs().max()
        name = f"attention of {query.shape[2]} positions, forward; largest difference {gap:.1e}"
        compare(name, lambda: attend(query, query, values), lambda: textbook_attention(query, query, values), rounds)


if __name__ == "__main__":
    main()

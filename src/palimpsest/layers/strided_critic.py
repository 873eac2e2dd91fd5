"""The critic of DeepFill v1 (appendix D) and HiFill: strided convolutions, then one score a picture."""

from itertools import pairwise

from torch import nn

from palimpsest.layers.tensorflow_conventions import Padding, same_conv


class Critic(nn.Sequential):
    """(B, 3, size, size) → scores (B, 1); `widths` in units of the first layer's channels."""

    def __init__(self, size: int, width: int, widths: list[int], padding: Padding = "zeros"):
        channels = [3, *(width * w for w in widths)]
        layers = []
        for inputs, outputs in pairwise(channels):
            conv = same_conv(inputs, outputs, 5, stride=2, padding=padding)
            layers.append(nn.Sequential(conv, nn.LeakyReLU(0.2)))
            size = (size + 1) // 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels[-1] * size * size, 1))

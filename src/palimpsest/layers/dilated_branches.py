"""Dilated convolutions side by side, which see four surroundings of a place at once; PEN-Net's and CTSDG's."""

from torch import Tensor, nn

DILATIONS = (1, 2, 4, 8)


class DilatedBranches(nn.ModuleList):
    """3 x 3 and ReLU for each dilation: (B, inputs, H, W) → four maps (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=d, dilation=d), nn.ReLU(inplace=True))
            for d in DILATIONS
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        return [branch(x) for branch in self]

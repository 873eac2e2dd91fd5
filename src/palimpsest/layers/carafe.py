"""CARAFE: J. Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019; sizes as in its released code."""

from torch import Tensor, nn
from torch.nn.functional import pad

SCALE = 2
KERNEL = 5  # k_up: each pixel is a weighted mean of KERNEL x KERNEL pixels of the smaller map
COMPRESSED = 64  # channels from which the weights are predicted


class Carafe(nn.Module):
    """Upsampling by weighted means around each pixel's source: (B, C, H, W) → (B, C, 2 H, 2 W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.compressor = nn.Conv2d(channels, COMPRESSED, 1)
        self.encoder = nn.Conv2d(COMPRESSED, SCALE**2 * KERNEL**2, 3, padding=1)
        nn.init.xavier_uniform_(self.compressor.weight)
        nn.init.normal_(self.encoder.weight, std=0.001)
        for layer in (self.compressor, self.encoder):
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        return reassemble(features, self.weights(features))

    def weights(self, features: Tensor) -> Tensor:
        """The weights of 25 neighbours in the four pixels that replace each pixel: (B, 25, 4, H, W).

        They sum to 1 over the neighbours. Neighbours and pixels are in row-major order.
        """
        logits = self.encoder(self.compressor(features))
        return logits.unflatten(1, (KERNEL**2, SCALE**2)).softmax(1)


def reassemble(features: Tensor, weights: Tensor) -> Tensor:
    """Σ over the 5 x 5 neighbours of weight · feature: (B, C, H, W), (B, 25, 4, H, W) → (B, C, 2 H, 2 W).

    Neighbours beyond the border are 0. Instead of unfolding, it adds one neighbour of all pixels at a time, at the
    smaller size and with channels contiguous in memory.
    """
    batch, channels, height, width = features.shape
    framed = pad(features, [KERNEL // 2] * 4).permute(0, 2, 3, 1).contiguous()
    weights = weights.permute(1, 0, 3, 4, 2).contiguous()[..., None]
    sums = features.new_zeros(batch, height, width, SCALE**2, channels)
    for neighbour in range(KERNEL**2):
        y, x = divmod(neighbour, KERNEL)
        sums.addcmul_(framed[:, y : y + height, x : x + width, None], weights[neighbour])
    rows = sums.unflatten(3, (SCALE, SCALE)).transpose(2, 3)
    return rows.reshape(batch, SCALE * height, SCALE * width, channels).permute(0, 3, 1, 2)

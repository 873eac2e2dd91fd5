"""Features of networks: LPIPS of a pair of pictures, and what metrics of a set compare, see metrics/sets.py.

Networks whose weights are missing are left out, and `Features.missing` says why.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from palimpsest import weights
from palimpsest.layers.feature_networks import TRUNK, inception, lpips_network
from palimpsest.metrics.frechet import FRECHET

if TYPE_CHECKING:
    from lpips import LPIPS

PAIRED = {"alexnet": "lpips_alex", "vgg16": "lpips_vgg"}  # network → metric of a pair; with `_raw`, of the output
SMALLEST = {"alexnet": 31, "vgg16": 16}  # px, sides of a picture, to reach the network's last feature map
NETWORKS = (*TRUNK.values(), "inception")
Values = dict[str, np.ndarray]


@contextmanager
def _measuring() -> Iterator[None]:
    """No gradients; convolutions in full float32 on GPUs too, where TF32 would keep only 10 bits."""
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


class Features:
    """The feature networks that are asked for and have weights; each is applied once to every picture.

    `missing` maps every other network to the reason why.
    """

    def __init__(self, weights_folder: Path, device: torch.device | str, networks: Collection[str] = NETWORKS):
        self.device = torch.device(device)
        reasons = {name: _missing(weights_folder, name) if name in networks else "not asked for" for name in NETWORKS}
        self.missing = {name: why for name, why in reasons.items() if why}
        self.lpips = {
            trunk: lpips_network(weights_folder, net).to(device) for net, trunk in TRUNK.items() if not reasons[trunk]
        }
        self.inception = None if reasons["inception"] else inception(weights_folder).to(device)
        self._last: tuple[np.ndarray | None, dict[str, list[Tensor]]] = (None, {})

    @_measuring()
    def score(self, results: np.ndarray, outputs: np.ndarray, pictures: np.ndarray) -> tuple[Values, Values]:
        """{LPIPS metric: float64 (B,)} and {network: pooled features of `results`, float64 (B, D)}.

        Takes uint8 (B, H, W, 3), three times. `_raw` compares the outputs with the pictures, the others the results.
        A network for which the pictures are too small has neither.
        """
        result, output = map(self._tensor, (results, outputs))
        values, maps = {}, {}
        for trunk, real in self._real(pictures).items():
            network = self.lpips[trunk]
            maps[trunk] = _maps(network, result)
            values[PAIRED[trunk]] = _distance(network, _unit(maps[trunk]), real)
            values[f"{PAIRED[trunk]}_raw"] = _distance(network, _unit(_maps(network, output)), real)
        return values, self._pooled(result, maps)

    def _real(self, pictures: np.ndarray) -> dict[str, list[Tensor]]:
        """{trunk: unit features}, kept until other pictures come, as every kind of hole is scored on the same ones."""
        if self._last[0] is not pictures:
            image = self._tensor(pictures)
            self._last = pictures, {trunk: _unit(_maps(network, image)) for trunk, network in self._fitting(image)}
        return self._last[1]

    def _fitting(self, image: Tensor) -> list[tuple[str, "LPIPS"]]:
        """(trunk, network) of those for which a picture is large enough."""
        return [(trunk, each) for trunk, each in self.lpips.items() if not too_small(trunk, *image.shape[-2:])]

    @_measuring()
    def pool(self, pictures: np.ndarray) -> Values:
        """{network: pooled features, float64 (B, D)} of uint8 (B, H, W, 3): VGG16's relu5_3, Inception's pool3."""
        image = self._tensor(pictures)
        return self._pooled(image, {t: _maps(network, image) for t, network in self._fitting(image) if t in FRECHET})

    def _pooled(self, image: Tensor, maps: dict[str, list[Tensor]]) -> Values:
        pooled = {trunk: _mean(found[-1]) for trunk, found in maps.items() if trunk in FRECHET}
        if self.inception is not None:
            pooled["inception"] = _mean(self.inception(image.contiguous())[0])
        return pooled

    def _tensor(self, pictures: np.ndarray) -> Tensor:
        """(B, 3, H, W) in [0, 1], float32, on the device."""
        return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).to(self.device) / 255


def too_small(network: str, height: int, width: int) -> str:
    """Why a picture of this size has no features of a network; "" where it has some."""
    least = SMALLEST.get(network, 1)
    return f"it needs {least} px or more on both sides" if min(height, width) < least else ""


def _missing(weights_folder: Path, name: str) -> str | None:
    """Why a network's weights are missing; None if they are not."""
    if not Path(weights_folder).is_dir():
        return "the folder of the feature networks is not there; `dvc repro weights` makes it"
    return weights.about(weights_folder, name).reason


def _maps(network: "LPIPS", image: Tensor) -> list[Tensor]:
    """The trunk's five feature maps (B, C, h, w) of a picture in [0, 1]; LPIPS wants [-1, 1]."""
    return list(network.net(network.scaling_layer(2 * image - 1)))


def _unit(maps: list[Tensor]) -> list[Tensor]:
    """Each pixel's features at unit length."""
    from lpips import normalize_tensor  # over a second to import; see feature_networks

    return [normalize_tensor(features) for features in maps]


def _distance(network: "LPIPS", maps: list[Tensor], others: list[Tensor]) -> np.ndarray:
    """LPIPS of every pair, float64 (B,): the sum over maps of the weighted squared difference's mean (eq. 1)."""
    from lpips import spatial_average

    weighted = [head((x - y) ** 2) for head, x, y in zip(network.lins, maps, others, strict=True)]
    return sum(spatial_average(each, keepdim=False) for each in weighted)[:, 0].double().cpu().numpy()


def _mean(features: Tensor) -> np.ndarray:
    """(B, C, h, w) → float64 (B, C), averaged over pixels."""
    return features.double().mean((2, 3)).cpu().numpy()

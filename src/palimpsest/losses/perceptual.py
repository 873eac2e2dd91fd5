"""Losses that compare features of a fixed network, VGG."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from palimpsest import weights
from palimpsest.layers.feature_networks import Trunk, perceptual


def perceptual_l1(prediction: Tensor, image: Tensor, layers: Sequence[str]) -> Tensor:
    """Sum over layers of mean|φ(prediction) - φ(image)|, of pictures (B, 3, H, W) in [0, 1]."""
    return sum(l1_loss(*maps) for maps in _features(prediction, image, layers))


def style_loss(prediction: Tensor, image: Tensor, layers: Sequence[str]) -> Tensor:
    """Sum over layers of ‖G(prediction) - G(image)‖², a mean over pictures (B, 3, H, W) in [0, 1].

    G is the Gram matrix of φ. J. Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
    ECCV 2016, equations 3 and 4, after L. Gatys et al. 2016.
    """
    grams = [(gram(found), gram(wanted)) for found, wanted in _features(prediction, image, layers)]
    return sum((found - wanted).square().sum((1, 2)).mean() for found, wanted in grams)


def perceptual_and_style_l1(
    predictions: Sequence[Tensor], image: Tensor, layers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Sums over predictions and layers of mean|φ(p) - φ(image)| and of mean|G(p) - G(image)|, from one pass of φ.

    G is the Gram matrix of φ. G. Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV
    2018, equations 3 to 5, for the raw output and the result.
    """
    pairs = _pairs(predictions, image, layers)
    return sum(l1_loss(*pair) for pair in pairs), sum(l1_loss(*map(gram, pair)) for pair in pairs)


def perceptual_and_style_l2(
    predictions: Sequence[Tensor], image: Tensor, layers: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Means over layers, summed over predictions, of mean (φ(p) - φ(image))² and of ‖G(p) - G(image)‖² / (C · h · w).

    G is the Gram matrix of φ; all from one pass of φ.
    """
    pairs = _pairs(predictions, image, layers)
    styles = [mse_loss(*map(gram, pair)) * pair[0].shape[1] / pair[0][0, 0].numel() for pair in pairs]
    return sum(mse_loss(*pair) for pair in pairs) / len(layers), sum(styles) / len(layers)


def gram(features: Tensor) -> Tensor:
    """Products of channels, summed over positions and divided by C · h · w: (B, C, h, w) → (B, C, C)."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def _pairs(predictions: Sequence[Tensor], image: Tensor, layers: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """φ of each prediction, and of the picture, at each layer."""
    return [
        (found, wanted)
        for together, wanted in _features(torch.cat(list(predictions)), image, layers)
        for found in together.chunk(len(predictions))
    ]


def _features(prediction: Tensor, image: Tensor, layers: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """φ of both pictures at each layer; φ(image) has no gradient.

    φ is VGG19, or VGG16 where VGG19 is not available; `layers` are named as in feature_networks.Trunk. VGG16 has no
    fourth convolution in a block: its third, the last, stands in.
    """
    trunk = _trunk(weights.FOLDER, prediction.device)
    layers = [name if name in trunk.names else name.replace("_4", "_3") for name in layers]
    with torch.no_grad():
        wanted = trunk(image, layers)
    found = trunk(prediction, layers)
    return [(found[name], wanted[name]) for name in layers]


@cache
def _trunk(folder: Path, device: torch.device) -> Trunk:
    return perceptual(folder).to(device)

"""Grey pictures, their edges and their gradients, which some methods complete before they paint or while they do.

Edges are J. Canny's ("A Computational Approach to Edge Detection", 1986), as scikit-image finds them.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad

# scikit-image's filters take long to import, so only the function that needs them does so

LUMINANCE = (0.2125, 0.7154, 0.0721)  # of red, green and blue, as in scikit-image's rgb2gray


def grey(image: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, 1, H, W), in the same range."""
    return (image * image.new_tensor(LUMINANCE).view(3, 1, 1)).sum(1, keepdim=True)


def canny(image: Tensor, hole: Tensor, sigma: float) -> Tensor:
    """Edges of pictures in [0, 1] that known pixels alone show: 1 at an edge, else 0, (B, 1, H, W).

    `sigma` is the blur's, in px. There is no edge in the hole, nor within 1 px of it or of the picture's border.
    """
    from skimage.feature import canny as detect

    pictures, known = grey(image.double())[:, 0].cpu().numpy(), (hole[:, 0] == 0).cpu().numpy()
    edges = [detect(picture, sigma, mask=mask) for picture, mask in zip(pictures, known, strict=True)]
    return torch.from_numpy(np.stack(edges)[:, None]).to(image)


def edges_of(image: Tensor, hole: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """The edges of the whole pictures and those that known pixels alone show, each (B, 1, H, W)."""
    return canny(image, torch.zeros_like(hole), sigma), canny(image, hole, sigma)


def sobel(image: Tensor, hole: Tensor) -> Tensor:
    """Gradients that known pixels alone show, of each colour down and across: (B, 3, H, W) → (B, 6, H, W).

    They are sums of eight differences over 1 px, with mirrored borders: I. Sobel and G. Feldman 1968. They are 0 in the
    hole and within 1 px of it.
    """
    down = image.new_tensor([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    kernels = torch.stack([down, down.T]).repeat(image.shape[1], 1, 1)[:, None]
    known = 1 - max_pool2d(hole, 3, stride=1, padding=1)
    return conv2d(pad(image * (1 - hole), [1] * 4, mode="reflect"), kernels, groups=image.shape[1]) * known

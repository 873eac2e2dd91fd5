"""A trained method at work: 8-bit pictures and holes in, 8-bit results out, known pixels untouched."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from palimpsest.config.yaml import InputError

BEYOND = 1e-3  # how far an output may leave [0, 1]: a quarter of a step of 8 bits, for rounding


def to_tensors(pictures: np.ndarray, holes: np.ndarray, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """uint8 (B, H, W, 3), bool (B, H, W) → `image` (B, 3, H, W) in [0, 1], `hole` (B, 1, H, W)."""
    image = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).to(dtype).div_(255)
    return image, torch.from_numpy(holes[:, None]).to(dtype)


def to_pixels(image: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [0, 1] → uint8 (B, H, W, 3), clipped and rounded."""
    return (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def continued(model, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """The picture with its hole black, and the hole; both are padded to the size divisor by repeating their border."""
    height, width = image.shape[-2:]
    margin = (0, -width % model.size_divisor, 0, -height % model.size_divisor)
    return pad(image * (1 - hole), margin, mode="replicate"), pad(hole, margin, mode="replicate")


def checked(model, image: Tensor, output: Tensor) -> Tensor:
    """The raw output of a model for `image`; InputError unless it is a picture of that size, finite and in [0, 1]."""
    asked = f"{type(model).__module__}: asked for an output of {tuple(image.shape)}, finite and in [0, 1]"
    found = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if found != tuple(image.shape):
        raise InputError(f"{asked}, found {found}; see the contract in palimpsest/models/__init__.py")
    least, largest = (value.item() for value in output.aminmax())
    if not (least >= -BEYOND and largest <= 1 + BEYOND):
        raise InputError(f"{asked}, found values from {least:.4g} to {largest:.4g}, so nothing is recorded")
    return output


def predict(model, image: Tensor, hole: Tensor) -> Tensor:
    """The raw output for pictures of any size, (B, 3, H, W) in [0, 1]."""
    height, width = image.shape[-2:]
    image, hole = continued(model, image, hole)
    return checked(model, image, model.inpaint(image, hole))[..., :height, :width]


def composite(outputs: np.ndarray, pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """The output in the hole, the picture elsewhere; both uint8 (…, H, W, 3), holes bool (…, H, W)."""
    return np.where(holes[..., None], outputs, pictures)


def inpaint(
    model, pictures: np.ndarray, holes: np.ndarray, device: torch.device | str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (B, H, W, 3), bool (B, H, W) → result and raw output, uint8; the result's known pixels are copied."""
    image, hole = (tensor.to(device) for tensor in to_tensors(pictures, holes))
    with torch.inference_mode():
        output = predict(model, image, hole)
    raw = to_pixels(output)
    return composite(raw, pictures, holes), raw

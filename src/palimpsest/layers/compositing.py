"""The result of an output: known pixels put back."""

from torch import Tensor


def paste(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The result: the output in the hole, the image elsewhere."""
    return output * hole + image * (1 - hole)

"""Values of independent programs (numpy, scikit-image 0.26.0) on bundled photographs: metrics-vectors.yaml."""

from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from ruamel.yaml import YAML

VECTORS = YAML(typ="safe").load((Path(__file__).parent / "metrics-vectors.yaml").read_text())
SUFFIX = {"astronaut": "png", "chelsea": "png", "coffee": "png", "rocket": "jpg"}


def picture(name: str) -> np.ndarray:
    """uint8 (256, 256, 3)."""
    top, left = VECTORS["about"]["images"]["origin_y_x"][name]
    path = Path(skimage.__file__).parent / "data" / f"{name}.{SUFFIX[name]}"
    return np.asarray(Image.open(path).convert("RGB"))[top : top + 256, left : left + 256]


def hole(name: str) -> np.ndarray:
    """bool (256, 256)."""
    y, x = np.mgrid[:256, :256]
    if name == "square128":
        return (y >= 64) & (y < 192) & (x >= 64) & (x < 192)
    discs = ((y - 80) ** 2 + (x - 70) ** 2 <= 1600) | ((y - 170) ** 2 + (x - 180) ** 2 <= 2500)
    return discs | ((abs(y - x) <= 6) & (y >= 20) & (y < 236)) | ((abs(y - 128) <= 4) & (x >= 16) & (x < 240))


def prediction(kind: str, image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """uint8 (256, 256, 3): the mean of the known pixels in the hole; `raw_mean` has noise elsewhere."""
    y, x, c = np.mgrid[:256, :256, :3]
    outside = image if kind == "comp_mean" else np.clip(image + (7 * y + 13 * x + 5 * c) % 9 - 4.0, 0, 255)
    filled = np.where(missing[..., None], np.rint(image[~missing].mean(0)), outside)
    return filled.astype(np.uint8)

"""Anyone's pictures filled by a trained network, one or whole folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.data.folders import Pattern
from palimpsest.data.pictures import ENDINGS, kept
from palimpsest.evaluation.inputs import HOLES, IMAGES, Inputs, batches
from palimpsest.holes.files import Reading
from palimpsest.inpainting import inpaint
from palimpsest.storage import replacing

EXACT = (".png", ".tif", ".tiff", ".bmp")  # endings of files that keep the known pixels as they are
PIXELS = {"cpu": 1, "cuda": 8 * 512**2}  # filled at once: a GPU gains by it, a CPU only needs more memory
Place = Callable[[str], Path]  # a picture's name → where its result goes


def asked(image: Path, hole: Path, out: Path, patterns: dict[str, Pattern], reading: Reading) -> tuple[Inputs, Place]:
    """The pictures to fill and where each result goes: to the file `out`, or into a folder of that name."""
    for path in (image, hole):
        if not path.exists():
            raise InputError(f"{path}: asked for a picture or a folder of pictures, found nothing there")
    if image.is_dir() != hole.is_dir():
        kinds = ("a folder" if each.is_dir() else "a file" for each in (image, hole))
        raise InputError(f"{image} is {next(kinds)}, {hole} is {next(kinds)}; accepted: two files or two folders")
    if not image.is_dir():
        if out.suffix.lower() not in EXACT:
            raise InputError(
                f"{out}: accepted: a name that ends in {', '.join(EXACT)}, which keep known pixels exactly"
            )
        for what, path in (("picture", image), ("hole", hole)):
            if out.resolve() == path.resolve():
                raise InputError(f"{out}: asked to write the result over the {what}; accepted: another file")
        return Inputs.of_files({IMAGES: image, HOLES: hole}, reading), lambda name: out
    if out.suffix.lower() in ENDINGS or any(out.resolve().is_relative_to(each.resolve()) for each in (image, hole)):
        raise InputError(f"{out}: asked to write the results of a folder there; accepted: a folder elsewhere")
    folders = {IMAGES: (image, patterns[IMAGES]), HOLES: (hole, patterns[HOLES])}
    return Inputs.of_folders(folders, reading).by_size(), lambda name: out / f"{name}.png"


def fill(model, inputs: Inputs, place: Place, device: torch.device) -> None:
    """Fills every picture, and writes each result with what its picture's file says of it."""
    for batch in batches(inputs.read(), PIXELS.get(device.type, 1)):
        pictures, holes = np.stack([item.pictures[IMAGES] for item in batch]), np.stack([item.hole for item in batch])
        try:
            results, _ = inpaint(model, pictures, holes, device)
        except InputError as error:
            inputs.left_out |= {item.name: str(error) for item in batch}
            continue
        for item, result in zip(batch, results, strict=True):
            with replacing(place(item.name)) as temporary:
                Image.fromarray(result).save(temporary, **kept(inputs.parts[IMAGES].one(item.name)))

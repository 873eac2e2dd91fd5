"""Exchange with other tools: test pictures and holes exported as PNG, and folders of anyone's results scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.data.pictures import read_hole, read_picture
from palimpsest.data.shards import Shard
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.scoring import Scorer, Scores, joined
from palimpsest.holes.bank import check_hole, read_bank
from palimpsest.metrics.features import Features, Statistics
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace

BATCH = 8  # pictures scored at once
ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def export(root: Path, slot: str, kind: str, out: Path) -> int:
    """Writes `out`/images/<id>.png and `out`/holes/<id>.png: every test picture of a slot and its hole of a kind.

    A hole is 255 where pixels are missing. Returns the number of pictures; InputError if `out` already holds files.
    The folder appears under its name once all of it is written.
    """
    files = Workspace(root).slot(slot)
    shard = Shard(files.shard("test"))
    bank = read_bank(files.holes, kind, len(shard))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: asked to write pictures there, found files already; accepted: a new or empty folder")
    about = {"slot": slot, "holes": kind, "pictures": len(shard), "size": shard.size, "shard": shard.fingerprint}
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        whole = Path(folder) / out.name
        for part in ("images", "holes"):
            (whole / part).mkdir(parents=True)
        for number, name in enumerate(shard.ids):
            Image.fromarray(shard[number]).save(whole / "images" / f"{name}.png")
            Image.fromarray(bank[number].astype(np.uint8) * 255).save(whole / "holes" / f"{name}.png")
        write_json(whole / "about.json", about)
        whole.replace(out)
    return len(shard)


@dataclass(frozen=True)
class Triple:
    """A result with its original and its hole."""

    name: str
    result: np.ndarray  # uint8 (H, W, 3), as the other tool made it
    picture: np.ndarray  # uint8 (H, W, 3)
    hole: np.ndarray  # bool (H, W)


def score_folders(
    results: Path, images: Path, holes: Path, weights: Path, device: torch.device | str
) -> tuple[Scores, dict[str, str]]:
    """Scores the pictures that have the same name in all three folders, whatever the file type.

    Returns the scores and {name: why it was left out}; InputError if nothing can be scored.
    """
    features, left_out = Features(weights, device), {}
    scorer, real = Scorer(features), []
    for filled in _batches(_triples(results, images, holes, left_out)):
        try:
            scorer.add(filled)
            real.append(features.pool(filled.pictures))
        except InputError as error:
            left_out |= dict.fromkeys(filled.ids, str(error))
    if not real:
        why = next(iter(left_out.values()), "the folders hold no pictures")
        raise InputError(f"{results}: found nothing to score; the first reason: {why}")
    reference = {network: Statistics.of(f) for network, f in joined(real).items() if len(f) > 1}
    return scorer.scores(reference), left_out


def _batches(triples: Iterator[Triple]) -> Iterator[Filled]:
    """Neighbours of equal size, at most `BATCH` at once."""
    for _, alike in groupby(triples, lambda triple: triple.picture.shape):
        while batch := list(islice(alike, BATCH)):
            arrays = (np.stack([getattr(triple, each) for triple in batch]) for each in ("picture", "hole", "result"))
            yield Filled([triple.name for triple in batch], *arrays)


def _triples(results: Path, images: Path, holes: Path, left_out: dict[str, str]) -> Iterator[Triple]:
    """Every triple that can be read, sorted by name; for every other the reason goes into `left_out`."""
    found = [(folder, _pictures(folder)) for folder in (results, images, holes)]
    for name in sorted(set().union(*(files for _, files in found))):
        if not name.isprintable():
            left_out[ascii(name)] = "its name cannot be printed; accepted: names in UTF-8"
            continue
        try:
            yield _triple(name, *(_one(folder, name, files.get(name, [])) for folder, files in found))
        except InputError as error:
            left_out[name] = str(error)


def _pictures(folder: Path) -> dict[str, list[Path]]:
    """{name without its ending: files}."""
    if not folder.is_dir():
        raise InputError(f"{folder}: asked for a folder of pictures, found none")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found


def _one(folder: Path, name: str, paths: list[Path]) -> Path:
    if len(paths) != 1:
        found = " and ".join(path.name for path in paths) or "none"
        raise InputError(f"{folder / name}: asked for one picture of this name, found {found}")
    return paths[0]


def _triple(name: str, result: Path, image: Path, hole: Path) -> Triple:
    pixels, original = read_picture(result), read_picture(image)
    if pixels.shape != original.shape:
        sizes = " and ".join(f"{width} x {height} px" for height, width, _ in (pixels.shape, original.shape))
        raise InputError(f"{result}: result and original are {sizes}; accepted: equal sizes")
    return Triple(name, pixels, original, check_hole(read_hole(hole), original.shape[:2], str(hole)))

"""Exchange with other tools: test pictures and holes exported as PNG, and folders of anyone's results scored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.data.crops import Crops
from palimpsest.data.pictures import read_hole, read_picture
from palimpsest.data.shards import Shard
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.scoring import Scorer, Scores, joined
from palimpsest.holes.bank import check_hole, read_bank, read_index
from palimpsest.metrics.features import Features
from palimpsest.metrics.sets import FeatureSet
from palimpsest.storage import read_json, sha256, write_json
from palimpsest.workspace import Workspace

ABOUT = "about.json"  # in an exported folder
BATCH = 8  # pictures scored at once
Pictures = dict[str, list[Path]]  # name without its ending → files
ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


class Exported(Settings):
    """about.json of an exported folder."""

    slot: str
    dataset: str
    size: int  # px
    holes: list[str]  # kinds
    files: dict[str, str]  # {path: sha256} of everything else in the folder


def export(root: Path, slot: str, crops: Crops, kinds: Sequence[str], out: Path) -> tuple[int, list[str]]:
    """Writes `out`/images/<id>.png, every test picture of a slot, and `out`/holes/<kind>/<id>.png, its holes.

    A hole is 255 where pixels are missing. An `out` that an earlier export of the slot made keeps its kinds of holes;
    all of it is written anew, and appears under its name once it is whole. Returns the number of pictures, and the
    kinds that are there now.

    Raises InputError where the slot's pictures are not what `crops` asks for, and where `out` holds anything that no
    export of this slot wrote.
    """
    files, place = Workspace(root).slot(slot), out.resolve()
    made = read_json(files.account, dict)["settings"]
    if differs := {key: value for key, value in crops.model_dump().items() if made.get(key) != value}:
        wanted, found = (", ".join(f"{key} {each[key]}" for key in differs) for each in (differs, made))
        raise InputError(f"{files.folder}: asked for pictures of {wanted}, found {found}; `dvc repro` makes them")
    shard, known = Shard(files.shard("test")), read_index(files.holes)
    kinds = list(dict.fromkeys([*(kind for kind in _exported(out, slot) if kind in known), *kinds]))
    banks = {kind: read_bank(files.holes, kind, len(shard)) for kind in kinds}
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        whole = Path(folder) / "new"
        for part in ("images", *(f"holes/{kind}" for kind in kinds)):
            (whole / part).mkdir(parents=True)
        for number, name in enumerate(shard.ids):
            Image.fromarray(shard[number]).save(whole / "images" / f"{name}.png")
            for kind, bank in banks.items():
                Image.fromarray(bank[number].astype(np.uint8) * 255).save(whole / "holes" / kind / f"{name}.png")
        about = Exported(slot=slot, dataset=crops.dataset, size=shard.size, holes=kinds, files=_hashes(whole))
        write_json(whole / ABOUT, about.model_dump())
        _exported(out, slot)  # once more, as writing may have taken long
        if place.exists():
            place.replace(Path(folder) / "old")
        whole.replace(place)
    return len(shard), kinds


def _exported(out: Path, slot: str) -> list[str]:
    """The kinds of holes that earlier exports left in a folder; InputError where it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return []
    accepted = "accepted: a new or empty folder, or an unmodified earlier export of the same slot"
    try:
        about = build(Exported, read_json(out / ABOUT, dict), "", ABOUT)
    except InputError as error:
        raise InputError(f"{out}: asked to export to it, found files that no export made; {accepted}") from error
    if about.slot != slot:
        raise InputError(f"{out}: asked to export {slot} to it, found an export of {about.slot}; {accepted}")
    if strange := [name for name, digest in _hashes(out).items() if about.files.get(name) != digest]:
        raise InputError(f"{out}: asked to export to it, found {strange[0]}, which no export made; {accepted}")
    return about.holes


def _hashes(folder: Path) -> dict[str, str]:
    """{path: sha256} of every file below a folder but ABOUT; "" in place of a hash for links and empty folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            plain = path.is_file() and not path.is_symlink()
            found[path.relative_to(folder).as_posix()] = sha256(path) if plain else ""
    return {name: digest for name, digest in found.items() if name != ABOUT}


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
    found = [(folder, _pictures(folder)) for folder in (results, images, holes)]
    features, left_out = Features(weights, device), {}
    scorer, real = Scorer(features), []
    for filled in _batches(_triples(found, left_out)):
        try:
            scorer.add(filled)
            real.append(features.pool(filled.pictures))
        except InputError as error:
            left_out |= dict.fromkeys(filled.ids, str(error))
    if not real:
        why = next(iter(left_out.values()), "the folders hold no pictures")
        raise InputError(f"{results}: found nothing to score; the first reason: {why}")
    reference = {network: FeatureSet(features) for network, features in joined(real).items()}
    return scorer.scores(reference), left_out


def _batches(triples: Iterator[Triple]) -> Iterator[Filled]:
    """Neighbours of equal size, at most `BATCH` at once."""
    for _, alike in groupby(triples, lambda triple: triple.picture.shape):
        while batch := list(islice(alike, BATCH)):
            arrays = (np.stack([getattr(triple, each) for triple in batch]) for each in ("picture", "hole", "result"))
            yield Filled([triple.name for triple in batch], *arrays)


def _triples(found: list[tuple[Path, Pictures]], left_out: dict[str, str]) -> Iterator[Triple]:
    """Every triple of result, original and hole that can be read, sorted by name; `left_out` says why others cannot."""
    for name in sorted(set().union(*(files for _, files in found))):
        if not name.isprintable():
            left_out[ascii(name)] = "its name cannot be printed; accepted: names in UTF-8"
            continue
        try:
            yield _triple(name, *(_one(folder, name, files.get(name, [])) for folder, files in found))
        except InputError as error:
            left_out[name] = str(error)


def _pictures(folder: Path) -> Pictures:
    if not folder.is_dir():
        raise InputError(f"{folder}: asked for a folder of pictures, found none")
    found: Pictures = {}
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

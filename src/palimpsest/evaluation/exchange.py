"""Exchange with other tools: test pictures and holes exported as PNG, and folders of anyone's results scored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from palimpsest.config.words import some_of
from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.data.crops import Crops
from palimpsest.data.folders import Pattern
from palimpsest.data.shards import Shard
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.inputs import IMAGES, Inputs, batches
from palimpsest.evaluation.scoring import LEAST_SIDES, Scorer, Scores, joined
from palimpsest.holes.bank import read_bank, read_index
from palimpsest.holes.files import Reading
from palimpsest.metrics.features import Features
from palimpsest.metrics.sets import FeatureSet
from palimpsest.storage import read_json, sha256, write_json
from palimpsest.workspace import Workspace

ABOUT = "about.json"  # in an exported folder
PIXELS = 8 * 512**2  # scored at once


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
class Scored:
    """The scores of a folder, and what there is to say of it."""

    scores: Scores
    inputs: Inputs
    notes: list[str]


def score_folders(
    folders: dict[str, tuple[Path, Pattern]], reading: Reading, weights: Path, device: torch.device | str
) -> Scored:
    """Scores the pictures that have the same name in all three folders, `results`, `images` and `holes`.

    A picture that is too small for a metric goes without it. InputError if nothing can be scored.
    """
    inputs = Inputs.of_folders(folders, reading)
    features = Features(weights, device)
    scorer, real, sides = Scorer(features), [], {}
    for batch in batches(inputs.read(), PIXELS):
        pictures, results = (np.stack([item.pictures[part] for item in batch]) for part in (IMAGES, "results"))
        filled = Filled([item.name for item in batch], pictures, np.stack([item.hole for item in batch]), results)
        scorer.add(filled)
        real.append(features.pool(pictures))
        sides |= dict.fromkeys(filled.ids, min(pictures.shape[1:3]))
    if not real:
        why = next(iter(inputs.left_out.values()))
        raise InputError(f"{folders['results'][0]}: found nothing to score; the first reason: {why}")
    reference = {network: FeatureSet(features) for network, features in joined(real).items()}
    return Scored(scorer.scores(reference), inputs, [*inputs.notes(), *_too_small(sides)])


def _too_small(sides: dict[str, int]) -> Iterator[str]:
    """Which pictures are too small for which metrics; `sides` holds the smaller side of each, px."""
    for least, metrics in groupby(sorted(LEAST_SIDES, key=LEAST_SIDES.get), LEAST_SIDES.get):
        if small := [name for name, side in sides.items() if side < least]:
            yield f"{', '.join(metrics)}: not of pictures below {least} px: {some_of(small)}"

"""The trials of a study: what its page tells raters, and the key that says which method each choice is."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from palimpsest.config.yaml import InputError, Settings, Tree, build, digest
from palimpsest.storage import read_json
from palimpsest.study.design import arrangements, sequences
from palimpsest.workspace import Workspace

KEY = ".key.json"  # how the names of keys end


@dataclass(frozen=True)
class Shown:
    """One test picture under one hole, with what each method made of it; all uint8 (H, W, 3)."""

    slot: str
    hole: str  # kind
    picture: str
    input: np.ndarray  # hole hatched
    results: dict[str, np.ndarray]  # of each run


class Trial(Settings):
    """One picture under one hole, and which method each choice is."""

    slot: str
    hole: str
    picture: str
    codes: dict[str, str]  # {code: run}, in the order of the methods


class Key(Settings):
    """What turns codes into methods; raters never see it."""

    study: str  # paper and table
    identity: str  # of the pictures shown, the methods and their settings
    methods: dict[str, str]  # {run: fingerprint of its settings}
    trials: dict[str, Trial]  # by their opaque names


def make_key(study: str, shown: Sequence[Shown], methods: dict[str, str]) -> Key:
    """The key of a study of `methods`, {run: fingerprint}; equal pictures and methods have equal keys.

    Names and codes are hashes: with the project and its results they can be computed, from the page alone they cannot.
    """
    pixels = [
        [each.slot, each.hole, each.picture, _hash(each.input), {run: _hash(r) for run, r in each.results.items()}]
        for each in shown
    ]
    identity, trials = digest([study, methods, pixels]), {}
    for each in shown:
        name = _code(identity, each.slot, each.hole, each.picture)
        codes = {_code(identity, name, run): run for run in each.results}
        trials[name] = Trial(slot=each.slot, hole=each.hole, picture=each.picture, codes=codes)
    return Key(study=study, identity=identity, methods=methods, trials=trials)


def page_data(key: Key, shown: Sequence[Shown], seed: int) -> Tree:
    """What the page holds: pictures under their codes, and the orders of trials and results by rater.

    Results are listed by code, so that their order does not tell which belong to one method.
    """
    trials = []
    for number, ((name, trial), each) in enumerate(zip(key.trials.items(), shown, strict=True)):
        codes = sorted(trial.codes)
        of_method = [codes.index(code) for code in trial.codes]
        orders = [[of_method[method] for method in order] for order in arrangements(number, len(codes))]
        results = [{"code": code, "picture": _png(each.results[trial.codes[code]])} for code in codes]
        trials.append({"name": name, "input": _png(each.input), "results": results, "orders": orders})
    return {"identity": key.identity, "trials": trials, "sequences": sequences(len(trials), seed)}


def _hash(picture: np.ndarray) -> str:
    return hashlib.sha256(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()


def _code(*of: str) -> str:
    return digest(of)[:12]


def _png(picture: np.ndarray) -> str:
    """A data URI."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def read_key(root: Path, study: str) -> Key | None:
    """The key of a study as it is built now; none where it is not built."""
    path = Workspace(root).reports.study / f"{study}{KEY}"
    return build(Key, read_json(path, dict), "", str(path)) if path.is_file() else None


def read_keys(root: Path) -> dict[str, Key]:
    """{study: key} of every study that is built; InputError where none is."""
    folder = Workspace(root).reports.study
    names = sorted(path.name.removesuffix(KEY) for path in folder.glob(f"*{KEY}"))
    if not names:
        raise InputError(f"{folder}: asked for a study, found none; `dvc repro study` builds it")
    return {name: read_key(root, name) for name in names}

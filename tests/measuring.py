"""A small project in which a section of `external` is measured: three pictures with holes, no feature networks."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from palimpsest.config.yaml import build
from palimpsest.data.shards import Shard, write_index
from palimpsest.evaluation.external import external, measure_external
from palimpsest.holes.bank import read_bank, write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.metrics.sets import write_reference
from palimpsest.resolved import Resolved
from palimpsest.settings.params import Params
from palimpsest.settings.resolving import external as resolve_external
from palimpsest.workspace import Workspace

SIDE = 36  # px


@dataclass
class Measured:
    """What was written of a section, and what it was measured on."""

    metrics: dict  # metrics.json
    outputs: np.ndarray  # uint8 (3, SIDE, SIDE, 3), raw
    results: np.ndarray
    pictures: np.ndarray
    holes: np.ndarray  # bool (3, SIDE, SIDE)


@pytest.fixture
def measured(tmp_path, params, monkeypatch) -> Callable[[dict], Measured]:
    """A section's `results` → what is written when it is measured, in the folder `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    slot = Workspace().slot("scenes")
    slot.shards.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(20, 236, (3, 4, 4, 3), np.uint8)
    pictures = np.stack([cv2.resize(each, (SIDE, SIDE)) for each in coarse])
    pictures.tofile(slot.shard("test").with_suffix(".bin"))
    rows = [(f"picture-{n}", "photo", SIDE, SIDE, n * pictures[0].size, "") for n in range(3)]
    write_index(slot.shard("test").with_suffix(".npy"), rows)
    kind = {"rectangle": params["holes"]["kinds"]["rectangle"]}
    write_bank(build(Holes, {**params["holes"], "kinds": kind}, ""), Shard(slot.shard("test")).ids, SIDE, slot.holes)
    write_reference({}, slot.reference)
    params["profiles"]["tiny"]["evaluation"] = {"batch_size": 2, "samples": 3, "worst": 1}

    def measure(results: dict) -> Measured:
        section = {"label": "Theirs", "source": "a page", "slot": "scenes", "holes": ["rectangle"], "results": results}
        tree = {**params, "external": {"theirs": section}}
        resolved = resolve_external(build(Params, tree, ""), external(tree, "theirs"))
        measure_external(Resolved("theirs", tmp_path / "resolved.json", json.loads(json.dumps(resolved))), "cpu")
        files = Workspace().results("theirs")
        with np.load(files.samples) as samples:
            outputs, found = samples["rectangle/output"], samples["rectangle/result"]
        holes = read_bank(slot.holes, "rectangle", 3)[np.arange(3)]
        return Measured(json.loads(files.metrics.read_text()), outputs, found, pictures, holes)

    return measure

"""Every released network, from a file as its authors store it to a row in a table."""

import numpy as np
import pytest
import torch

from palimpsest.config.runs import transfer
from palimpsest.config.yaml import build, read_yaml
from palimpsest.data.shards import write_index
from palimpsest.evaluation.trained import measure_trained
from palimpsest.holes.bank import write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.models import create
from palimpsest.released import bundles, catalogue, read
from palimpsest.released.converting import as_theirs, bare, held, to_released
from palimpsest.resolved import Resolved
from palimpsest.results.measured import read_results
from palimpsest.storage import write_json
from palimpsest.tables.tables import all_tables
from palimpsest.training.converting import convert
from palimpsest.workspace import Workspace
from reported import ROOT

SHIPPED = read_yaml(ROOT / "params.yaml")
NETWORKS = catalogue.read_catalogue(ROOT / "released.yaml")
MEASURED = {name: transfer(SHIPPED, name) for name, tree in SHIPPED["transfers"].items() if "released" in tree["run"]}
SECTIONS = {target.released: target for target in reversed(MEASURED.values())}
SMALLEST = {"medfe": 256, "ctsdg": 256, "lbam": 256, "pconv": 256, "pconv-mmagic": 256, "hifill": 512, "mat": 512}
NARROW = {"width": 8, "critic_width": 8, "most": 16, "transformer": 12}


def narrowed(tree):
    """Settings with few channels."""
    if not isinstance(tree, dict):
        return tree
    return {
        key: NARROW[key] if key in NARROW and isinstance(value, int) else narrowed(value) for key, value in tree.items()
    }


def at_paper_scale(tree):
    """A section's settings, those of the paper in place of those for each profile."""
    if not isinstance(tree, dict):
        return tree
    return (
        at_paper_scale(tree["paper"]) if "paper" in tree else {key: at_paper_scale(each) for key, each in tree.items()}
    )


@pytest.fixture
def narrow(params, monkeypatch):
    """The shipped settings, and layouts, of networks with few channels."""
    for entry in params["runs"].values():
        entry["settings"] = narrowed(at_paper_scale(entry.get("settings", {})))

    def thin(name):
        layout = read(name)
        return layout.model_copy(update={"settings": narrowed(layout.settings)}) if layout.model else layout

    monkeypatch.setattr(catalogue, "read", thin)
    return params


def store(layout, model, folder, names):
    """Writes a model's tensors as the authors store theirs."""
    ours = held(layout, model.networks)
    shapes = {key: layout.place(name) for key, name in bare(layout.keys()).items()}
    keys = {
        key: tuple(as_theirs(layout, place, ours[place]).shape) if place in ours else layout.keys()[key]
        for key, place in shapes.items()
    }
    tensors = to_released(layout, ours, keys)
    folder.mkdir(parents=True, exist_ok=True)
    if layout.kernels == "tensorflow":
        bundles.write(folder / names[0].removesuffix(".index"), tensors)
        return
    numbers = {key: tensors.pop(key).flatten().tolist() for key in layout.json_keys}
    for name in names[1:]:
        write_json(folder / name, numbers | {"others": "of the training"})
    for key in reversed(layout.within):
        tensors = {key: tensors, "beside": torch.zeros(1)}
    torch.save(tensors, folder / names[0])


def scene(root, slot, kind, size, holes):
    """Two noisy test pictures with their holes."""
    files = Workspace(root).slot(slot)
    files.shards.mkdir(parents=True)
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    files.shard("test").with_suffix(".bin").write_bytes(pictures.tobytes())
    rows = [(f"p{i}", f"p{i}.png", size, size, i * pictures[0].nbytes, "0" * 64) for i in range(2)]
    write_index(files.shard("test").with_suffix(".npy"), rows)
    files.reference.mkdir()
    write_bank(build(Holes, holes, "").only([kind]), ["p0", "p1"], size, files.holes)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_released_file_becomes_a_row(narrow, section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target, entry, size = SECTIONS[section], catalogue.at(narrow, section, "paper"), SMALLEST.get(section, 128)
    shipped = NETWORKS[entry.network]
    files = {
        layout: [each.model_copy(update={"bytes": None, "hash": None, "member": None}) for each in files]
        for layout, files in shipped.files.items()
    }
    network = shipped.model_copy(update={"size": size, "files": files})
    run = network.made(narrow, catalogue.run_name(section))
    torch.manual_seed(0)
    model = create(run, size)
    for layout, each in network.layouts.items():
        store(each, model, tmp_path / "archives" / "released" / entry.network, [file.name for file in files[layout]])

    tree = {"name": entry.network, "network": network.model_dump(), "run": run.__dict__}
    convert({section: tree}, {}, tmp_path / "archives", None)
    kind = target.holes[0]
    scene(tmp_path, target.slot, kind, size, narrow["holes"])
    settings = {
        "code": {},
        "run": run.__dict__,
        "settings": "a" * 64,
        "slot": target.slot,
        "dataset": "noise",
        "seeds": [0],
    }
    settings |= {"holes": [kind], "evaluation": {"batch_size": 2, "samples": 1, "worst": 1}}
    measure_trained(Resolved(target.name, tmp_path, settings), "cpu")

    described = {"settings": "a" * 64, "code": "", "stage": "transfer", "run": {"name": run.name}, "measured": {}}
    described |= {"blocks": {}, "parameters": {}, "parameters_at_paper_scale": {}, "label": entry.label, "source": ""}
    beside = next(layout.run for layout in network.layouts.values()) or ""
    described |= {"beside": beside, "as_published": False}
    write_json(Workspace(tmp_path).resolved("runs"), {target.name: described})
    measured = read_results(tmp_path)
    found = set(measured.results[target.name].holes[kind].values())
    rows = [row for table in all_tables(measured) for label, row in table.rows if label == entry.label]
    if target.slot != "large":  # whose pictures are in figures alone
        assert found & {cell.number for row in rows for cell in row if cell.status == "measured"}
    assert next(iter(files.values()))[0].name in measured.results[target.name].source

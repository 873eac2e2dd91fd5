"""Released weights as checkpoints of ours: fetched, checked, and read into our networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from palimpsest.config.runs import Run
from palimpsest.config.yaml import InputError, Tree, build
from palimpsest.models import create
from palimpsest.released.catalogue import Network, run_name
from palimpsest.released.converting import held, to_ours
from palimpsest.released.files import read_tensors
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace


def convert(released: Mapping[str, Tree], absent: Sequence[str], store: Path, mirror: str | None) -> None:
    """Writes runs/released/<name> for each of `released`, {name: its network and run}, and empty ones for `absent`.

    All are tried before an InputError lists those that cannot be had.
    """
    workspace, refused = Workspace(), []
    for name in absent:
        checkpoints.save_nothing(workspace.run(run_name(name)).weights)
    for name, tree in released.items():
        network = build(Network, tree["network"], tree["name"], "released.yaml")
        try:
            model, origin = load(tree["name"], network, Run.read(tree["run"]), store, mirror)
            checkpoints.save(workspace.run(run_name(name)).weights, model, origin)
        except InputError as error:
            refused.append(f"released.{name}: {error}")
    if refused:
        raise InputError("\n".join([*refused, "accepted: the files, or `accept: false` for what cannot be had"]))


def load(name: str, network: Network, run: Run, store: Path, mirror: str | None):
    """(model, origin) of a network in released.yaml: only the networks that its files hold."""
    model = create(run, network.size)
    tensors, sources = {}, []
    for layout_name, fetched in network.fetch(name, store, mirror).items():
        layout, files = network.layouts[layout_name], network.files[layout_name]
        released = read_tensors(layout, [each.path for each in fetched], files[0].member)
        tensors |= to_ours(layout, released, held(layout, model.networks), fetched[0].name)
        sources += [f"{each.name}, sha256 {each.sha256}" for each in fetched]
    checkpoints.keep(model, {key.partition(".")[0] for key in tensors})
    model.networks.load_state_dict(model.networks.state_dict() | tensors)
    model.networks.eval().requires_grad_(False)
    source = f"{network.terms}; trained on {network.trained_on}; {'; '.join(sources)}"
    return model, checkpoints.Origin(run, network.trained_on, network.size, "", source)

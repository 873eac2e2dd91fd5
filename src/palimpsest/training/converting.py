"""Released weights as checkpoints of ours: fetched, checked, and read into our networks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from palimpsest.config.runs import Run
from palimpsest.config.yaml import InputError, Tree, build
from palimpsest.data.fetching import Fetched
from palimpsest.models import create
from palimpsest.released.catalogue import Network, run_name
from palimpsest.released.converting import held, to_ours
from palimpsest.released.files import read_tensors
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace


def convert(released: Mapping[str, Tree], absent: Mapping[str, str], store: Path, mirror: str | None) -> None:
    """Writes runs/released/<name> for each of `released`, {name: its network and run}; without weights for `absent`.

    `absent` is {name: why}. All are tried before an InputError lists those that cannot be had.
    """
    workspace, refused = Workspace(), []
    workspace.run(run_name("")).folder.mkdir(parents=True, exist_ok=True)  # even where params.yaml names no network
    for name, why in absent.items():
        checkpoints.save_nothing(workspace.run(run_name(name)).weights, why)
    for name, tree in released.items():
        network = build(Network, tree["network"], tree["name"], "released.yaml")
        try:
            model, origin = load(tree["name"], network, Run.read(tree["run"]), store, mirror)
            checkpoints.save(workspace.run(run_name(name)).weights, model, origin)
        except InputError as error:
            refused.append(f"released.{name}: {error}")
    if refused:
        raise InputError("\n".join([*refused, "`accept: false` leaves a network out"]))


def load(name: str, network: Network, run: Run, store: Path, mirror: str | None):
    """(model, origin) of a network in released.yaml: only the networks that its files hold."""
    model = create(run, network.size)
    tensors, sources = {}, []
    for layout_name, fetched in network.fetch(name, store, mirror).items():
        layout, files = network.layouts[layout_name], network.files[layout_name]
        with unpinned_if_refused(fetched):
            released = read_tensors(layout, [each.path for each in fetched], files[0].member)
            tensors |= to_ours(layout, released, held(layout, model.networks), files[0].name)
        sources += [f"{file.name}, sha256 {each.sha256}" for file, each in zip(files, fetched, strict=True)]
    checkpoints.keep(model, {key.partition(".")[0] for key in tensors})
    model.networks.load_state_dict(model.networks.state_dict() | tensors)
    model.networks.eval().requires_grad_(False)
    source = f"{network.terms}; trained on {network.trained_on or 'data that nobody states'}; {'; '.join(sources)}"
    return model, checkpoints.Origin(run, network.trained_on or "", network.size, "", source)


@contextmanager
def unpinned_if_refused(fetched: Sequence[Fetched]) -> Iterator[None]:
    """Forgets the hashes that were pinned on the first use of files, if these cannot be used after all."""
    try:
        yield
    except InputError:
        for each in fetched:
            if each.checked == "pinned":
                each.path.with_name(f"{each.path.name}.sha256").unlink(missing_ok=True)
        raise

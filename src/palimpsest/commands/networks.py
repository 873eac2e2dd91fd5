"""Networks and data that others made, and runs as files: `fetch`, `verify`, `save` and `models`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from palimpsest.commands.asked import Commands, check_run, chosen_device
from palimpsest.config.yaml import InputError, Tree, choices, one_of, read_yaml, section
from palimpsest.workspace import Workspace

if TYPE_CHECKING:
    from palimpsest.config.runs import Run
    from palimpsest.released.catalogue import Network


def add(commands: Commands) -> None:
    command = commands.add_parser("fetch", help="fetch a dataset, masks or a released network ahead")
    command.add_argument("name", help="a dataset with archives, or a section of released, such as crfill")
    command.add_argument("--out", type=Path, help="of masks: a new folder, into which they are unpacked")
    command.set_defaults(run_command=fetch)

    command = commands.add_parser("verify", help="compare a released network with the pictures that its authors filled")
    command.add_argument("name", help="a section of params.yaml's released, such as deepfill-v2")
    command.add_argument("--network", help="of released.yaml, in place of the one at the profile")
    command.set_defaults(run_command=verify)

    command = commands.add_parser("save", help="write a trained run's weights as other tools read them")
    command.add_argument("--run", required=True, help="a trained run of params.yaml, or released/NAME")
    command.add_argument(
        "--format", required=True, choices=["released", "safetensors"], help="its authors' format, or a plain one"
    )
    command.add_argument("--out", required=True, type=Path, help="a folder, in which the files go")
    command.set_defaults(run_command=save)

    command = commands.add_parser(
        "models", help="every pretrained network and run, with the parameter counts of its networks"
    )
    command.add_argument("--profile", help="tiny, small, photos or paper; params.yaml's own when left out")
    command.set_defaults(run_command=models)


def fetch(arguments: argparse.Namespace) -> None:
    """Fetches and checks a dataset's archives, or a network's files, ahead of the pipeline."""
    from palimpsest.config.runtime import read_runtime
    from palimpsest.config.yaml import build
    from palimpsest.data.catalogue import check_accepted, fetch, read_catalogue
    from palimpsest.settings.params import Params

    runtime, datasets = read_runtime(), read_catalogue("datasets.yaml")
    params = read_yaml("params.yaml")
    if arguments.name in section(params, "released"):
        if arguments.out:
            raise InputError(f"--out: {arguments.name} is a released network, not masks; accepted: no --out")
        name, network, _ = _released(params, arguments.name)
        fetched = [each for files in network.fetch(name, runtime.store, runtime.mirror).values() for each in files]
    else:
        if arguments.name not in datasets:
            known = [*(name for name, entry in datasets.items() if entry.terms), *section(params, "released")]
            raise InputError(f"asked to fetch {arguments.name!r}; accepted: {choices(known, arguments.name)}")
        accepted = build(Params, params, "").accepted_terms
        check_accepted(datasets, accepted)
        fetched = fetch(datasets, accepted, arguments.name, runtime.store, runtime.mirror, arguments.out)
    for each in fetched:
        print(f"{each.path}: {each.bytes} bytes, sha256 {each.sha256}, checked against: {each.checked}")


def verify(arguments: argparse.Namespace) -> None:
    """Fills the pictures that a network's authors published, and compares the results with theirs."""
    from palimpsest.config.runtime import read_runtime
    from palimpsest.evaluation import verifying
    from palimpsest.released.catalogue import read_catalogue
    from palimpsest.training import converting

    runtime, params = read_runtime(), read_yaml("params.yaml")
    name, network, run = _released(params, arguments.name, arguments.network)
    if network.gold is None:
        known = [each for each, other in read_catalogue("released.yaml").items() if other.gold]
        raise InputError(f"released.yaml: {name}.gold is null; accepted: --network with one of {choices(known, name)}")
    device = chosen_device()
    model, _ = converting.load(name, network, run, runtime.store, runtime.mirror)
    model.networks.to(device)
    differ = []
    for each in verifying.verify(model, network.gold, runtime.store / "released" / name, runtime.mirror, device):
        print(each)
        differ += [each.name] * (not each.agrees)
    if differ:
        allowed = f"at most {verifying.ALLOWED:.2%} of the hole values more than a level off"
        raise InputError(f"{', '.join(differ)}: not what the authors' network made; accepted: {allowed}")


def _released(params: Tree, name: str, another: str | None = None) -> "tuple[str, Network, Run]":
    """The network of a section of `released`, its name in released.yaml, and its run; InputError unless accepted.

    `another` is the name of a network in place of the section's at the active profile.
    """
    from palimpsest.released import catalogue

    one_of(name, section(params, "released"), "params.yaml: released")
    networks, profile = catalogue.read_catalogue("released.yaml"), section(params, "profile")
    entry = catalogue.at(params, name, profile)
    if (chosen := another or entry.network) is None:
        raise InputError(f"released.{name}: no network was released for the pictures of profile {profile}")
    one_of(chosen, networks, "released.yaml")
    network = networks[chosen]
    print(f"{entry.label}: {chosen}, {network.terms}")
    if not entry.accept:
        raise InputError(f"params.yaml: released.{name}.accept is false; accepted: true, if you keep to the licence")
    return chosen, network, network.made(params, catalogue.run_name(name))


def save(arguments: argparse.Namespace) -> None:
    """Writes a trained run's weights for other tools."""
    from palimpsest.training import checkpoints, exporting

    params = read_yaml("params.yaml")
    check_run(params, arguments.run)
    model, origin = checkpoints.load_named(Workspace(), params, arguments.run)
    for saved in exporting.save(params, model, origin, arguments.format, arguments.out):
        print(*saved.files)
        if saved.differing:
            print(f"  code that reads it computes with other settings: {'; '.join(saved.differing)}")


def models(arguments: argparse.Namespace) -> None:
    """Prints every pretrained network and run with the parameter count of each of its networks and their parts."""
    from palimpsest.config import runs
    from palimpsest.config.yaml import part
    from palimpsest.data.crops import Crops
    from palimpsest.settings.networks import counted

    params = read_yaml("params.yaml")
    for name in runs.trained(params):
        run = runs.resolve(params, name, arguments.profile)
        crops = part(params, Crops, "profiles", run.profile, "slots", run.slot)
        counts = counted(run, crops.size)["parameters"]
        print(f"{name}  (profile {run.profile}, {run.model}.py, {crops.dataset} at {crops.size} px)")
        for network, count in counts.items():
            print(f"  {network:<44}{count:>12,}")
        if not counts:
            print("  no trainable networks")

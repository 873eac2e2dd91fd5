"""Results measured and compared: `export`, `score` and `compare`."""

import argparse
import os
from pathlib import Path

from palimpsest.commands.asked import Commands, add_reading, asked_patterns, asked_reading, chosen_device
from palimpsest.config.yaml import InputError, Tree, choices, one_of, read_yaml, section


def add(commands: Commands) -> None:
    command = commands.add_parser("export", help="the test pictures and holes as PNG, for another tool")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--slot", help="a slot in params.yaml, such as scenes")
    which.add_argument("--dataset", help="in its place: the dataset that fills it, such as bundled-photos")
    command.add_argument("--holes", required=True, nargs="+", metavar="KIND", help="kinds of params.yaml's holes")
    command.add_argument(
        "--out", required=True, type=Path, help="a new or empty folder, or an earlier export to add to"
    )
    command.set_defaults(run_command=export)

    command = commands.add_parser("score", help="score a folder of anyone's results by every metric")
    command.add_argument("--results", required=True, type=Path, help="folder of filled pictures")
    command.add_argument("--images", required=True, type=Path, help="folder of originals with the same names")
    command.add_argument(
        "--holes", required=True, type=Path, help="folder of holes with the same names: white is missing"
    )
    command.add_argument("--against", type=Path, metavar="RESULTS", help="another method's: paired differences to it")
    command.add_argument("--out", type=Path, help="where every picture's values go: .csv or .json")
    command.add_argument("--all", action="store_true", help="every metric, not only the main ones")
    add_reading(command, "results")
    command.set_defaults(run_command=score)

    command = commands.add_parser("compare", help="what experiments changed: settings, and metrics beyond chance")
    command.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="the workspace when left out")
    command.add_argument("--all", action="store_true", help="every metric, not only the main ones")
    command.set_defaults(run_command=compare)


def export(arguments: argparse.Namespace) -> None:
    """Writes the test pictures of a slot and their holes of some kinds as PNG."""
    from palimpsest.config.yaml import part
    from palimpsest.data.crops import Crops
    from palimpsest.evaluation import exchange
    from palimpsest.holes.kinds import Holes

    params = read_yaml("params.yaml")
    slots = ("profiles", section(params, "profile"), "slots")
    slot = arguments.slot or _filled_by(arguments.dataset, params, slots)
    holes = part(params, Holes, "holes")
    for kind in arguments.holes:
        holes.kind(kind)
    count, kinds = exchange.export(Path(), slot, part(params, Crops, *slots, slot), arguments.holes, arguments.out)
    there = ", ".join(f"holes/{kind}" for kind in kinds)
    print(f"{arguments.out}: {count} pictures in images, and a hole for each (255 = missing) in {there}")


def _filled_by(dataset: str, params: Tree, slots: tuple[str, ...]) -> str:
    """The slot that a dataset fills; InputError where it fills none, or several."""
    from palimpsest.config.yaml import part
    from palimpsest.data.crops import Crops

    filled_with = {slot: part(params, Crops, *slots, slot).dataset for slot in section(params, *slots)}
    found = [slot for slot, filling in filled_with.items() if filling == dataset]
    if not found:
        known = choices(dict.fromkeys(filled_with.values()), dataset)
        raise InputError(f"asked for dataset {dataset!r}, which fills none of {'.'.join(slots)}; accepted: {known}")
    if len(found) > 1:
        raise InputError(f"asked for dataset {dataset!r}, which fills {' and '.join(found)}; accepted: --slot with one")
    return found[0]


def score(arguments: argparse.Namespace) -> None:
    """Scores a folder of results by every metric and prints the means."""
    from palimpsest import weights
    from palimpsest.evaluation.exchange import score_folders
    from palimpsest.evaluation.inputs import refuse_left_out
    from palimpsest.evaluation.score_files import differences, shown, to_csv, to_json, to_text
    from palimpsest.papers.metrics import read_metrics
    from palimpsest.storage import write_text

    formats = {".csv": to_csv, ".json": to_json}
    if arguments.out and arguments.out.suffix.lower() not in formats:
        raise InputError(f"{arguments.out}: accepted: a name that ends in .csv or .json")
    if arguments.out and (arguments.out.is_dir() or not os.access(arguments.out.absolute().parent, os.W_OK)):
        raise InputError(
            f"{arguments.out}: asked to write scores there; accepted: a file in a folder that can be written"
        )
    patterns = asked_patterns(arguments.pattern, ["results", "images", "holes", "against"])
    common = {"images": (arguments.images, patterns["images"]), "holes": (arguments.holes, patterns["holes"])}
    reading, device = asked_reading(arguments), chosen_device()
    found = score_folders(
        {"results": (arguments.results, patterns["results"])} | common, reading, weights.FOLDER, device
    )
    metrics = shown(found.scores, read_metrics(), arguments.all)
    print(to_text(found.scores, metrics), *found.notes, sep="\n")
    left_out = dict(found.inputs.left_out)
    if arguments.against:
        results = {"results": (arguments.against, patterns["against"])}
        other = score_folders(results | common, reading, weights.FOLDER, device)
        left_out |= {f"{arguments.against}/{name}": why for name, why in other.inputs.left_out.items()}
        print("", differences(found.scores, other.scores, metrics), sep="\n")
    if arguments.out:
        write_text(arguments.out, formats[arguments.out.suffix.lower()](found.scores, dict(sorted(left_out.items()))))
    refuse_left_out(left_out, len(found.scores.ids), "scored", found.inputs.advice())


def compare(arguments: argparse.Namespace) -> None:
    """Prints what experiments changed, each against the commit it started from, or the workspace against the last."""
    from palimpsest.metrics.registry import MAIN
    from palimpsest.papers.metrics import read_metrics
    from palimpsest.results.comparison import to_text
    from palimpsest.results.revisions import compare_revisions, experiments, is_stale, last_commit

    known, asked = experiments(Path()), arguments.experiments
    for name in asked:
        one_of(name, list(known) or ["none, before `dvc exp run` makes one"], "experiment")
    workspace = (last_commit(Path()), None, "workspace")
    compared = [(known[name].start, known[name].commit, name) for name in asked] or [workspace]
    for before, after, name in compared:
        found = compare_revisions(Path(), before, after, list(read_metrics()) if arguments.all else MAIN)
        print(f"{name} against {before[:7]}", to_text(found), sep="\n")
    if not asked and is_stale(Path()):
        print("settings or code have changed since these results were made; `dvc repro` makes them anew")

"""The command line: `python -m palimpsest fetch`, `verify`, `save`, `models`, `inpaint`, `demo`, `export`,
`score`, `compare`, `repro`, `study`, `record`, `readme` and `methods`."""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import InputError, Tree, choices, one_of, read_yaml, section
from palimpsest.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from palimpsest.config.runs import Run
    from palimpsest.config.runtime import Runtime
    from palimpsest.data.folders import Pattern
    from palimpsest.holes.files import Reading
    from palimpsest.page.recording import Here
    from palimpsest.released.catalogue import Network

A_FILE = (
    "a run of params.yaml, such as --run crfill. Weights that authors released (docs/released-networks.md): "
    "`dvc exp run -S profile=photos -S released.crfill.accept=true convert`, then --run released/crfill. A TorchScript "
    "or ONNX file (docs/external-results.md): a section of external with its path, then `dvc repro external@NAME`"
)
IN_USE = "another `repro` is running in this folder; wait for it, or stop it: what it has made is kept"


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
    device = _device()
    model, _ = converting.load(name, network, run, runtime.store, runtime.mirror)
    model.networks.to(device)
    differ = []
    for each in verifying.verify(model, network.gold, runtime.store / "released" / name, runtime.mirror, device):
        print(each)
        differ += [each.name] * (not each.agrees)
    if differ:
        allowed = f"at most {verifying.ALLOWED:.2%} of the hole values more than a level off"
        raise InputError(f"{', '.join(differ)}: not what the authors' network made; accepted: {allowed}")


def save(arguments: argparse.Namespace) -> None:
    """Writes a trained run's weights for other tools."""
    from palimpsest.training import checkpoints, exporting

    params = read_yaml("params.yaml")
    _check_run(params, arguments.run)
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


def inpaint(arguments: argparse.Namespace) -> None:
    """Fills the holes of one picture, or of a folder of pictures, with a trained run and writes the results."""
    from palimpsest.evaluation import inpainted
    from palimpsest.evaluation.inputs import refuse_left_out
    from palimpsest.training import checkpoints

    _check_run(params := read_yaml("params.yaml"), arguments.run)
    patterns = _patterns(arguments.pattern, ["holes", "images"])
    inputs, place = inpainted.asked(arguments.image, arguments.hole, arguments.out, patterns, _reading(arguments))
    device = _device()
    model, _ = checkpoints.load_named(Workspace(), params, arguments.run, device)
    inpainted.fill(model, inputs, place, device)
    for note in inputs.notes():
        print(note)
    refuse_left_out(inputs.left_out, len(inputs.names) - len(inputs.left_out), "filled", inputs.advice())


def _reading(arguments: argparse.Namespace) -> "Reading":
    """How the command's holes are to be read."""
    from palimpsest.holes.files import Reading

    return Reading(arguments.holes_in, arguments.invert)


def _patterns(given: list[str], parts: list[str]) -> "dict[str, Pattern]":
    """How the files of each part are named; a pattern that names no part is the first one's."""
    from palimpsest.data.folders import NAME, Pattern

    patterns = dict.fromkeys(parts, NAME)
    for text in given:
        part, equals, pattern = text.partition("=")
        if not equals or "{name}" in part:
            part, pattern = parts[0], text
        one_of(part, parts, f"--pattern {text}")
        patterns[part] = Pattern(pattern)
    return patterns


def demo(arguments: argparse.Namespace) -> None:
    """Shows a page on this machine: paint a hole, and see what methods make of it."""
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        needed = "`pip install --no-deps -r requirements-demo.txt` before"
        raise InputError(f"demo: asked for a page, found no Gradio to show it with; accepted: {needed}")
    known = _runs_that_fill(params := read_yaml("params.yaml"))
    for name in arguments.run:
        one_of(name, known, "--run")

    from palimpsest.demo.filling import Methods, ready

    methods = Methods(params, arguments.run or ready(Workspace(), known), _device(), Workspace())
    for name in arguments.run:
        methods.load(name)

    from palimpsest.demo.page import serve

    serve(methods, arguments.port)


def _runs_that_fill(params: Tree) -> list[str]:
    """Every run, pretrained network and released network that fills holes."""
    from palimpsest.config import runs
    from palimpsest.models import is_prior
    from palimpsest.released.catalogue import run_name

    trained = [name for name in runs.trained(params) if not is_prior(runs.resolve(params, name).model)]
    return [*trained, *map(run_name, section(params, "released"))]


def _check_run(params: Tree, asked: str) -> None:
    """InputError unless `asked` is a run that fills holes; it says what to do with a file instead."""
    known, path = _runs_that_fill(params), Path(asked)
    if asked in known or not (path.suffix or path.exists()):
        one_of(asked, known, "--run")
        return
    folders = {path.resolve(), *path.resolve().parents}
    own = next((name for name in known if Workspace().run(name).folder.resolve() in folders), None)
    raise InputError(f"--run: found a path, {asked}; accepted: " + (f"--run {own}" if own else A_FILE))


def _device() -> "torch.device":
    """The device of a command, which has all cores to itself: runtime.yaml's threads are for stages side by side."""
    from palimpsest.config.runtime import choose_device, read_runtime

    return choose_device(read_runtime().model_copy(update={"threads": None}))


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
    patterns = _patterns(arguments.pattern, ["results", "images", "holes", "against"])
    common = {"images": (arguments.images, patterns["images"]), "holes": (arguments.holes, patterns["holes"])}
    reading, device = _reading(arguments), _device()
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


def repro(arguments: argparse.Namespace) -> None:
    """Reproduces what has changed, several stages at a time."""
    from palimpsest.config.runtime import read_runtime
    from palimpsest.storage import alone

    if arguments.no_shared_storage and not (arguments.cluster or arguments.scheduler):
        raise InputError("--no-shared-storage: found neither --cluster nor --scheduler; accepted: with one of the two")
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers: found {arguments.workers}; accepted: 1 or more")
    runtime = read_runtime()
    with alone(runtime.unfinished / "repro", IN_USE):
        _repro(arguments, runtime)


def _repro(arguments: argparse.Namespace, runtime: "Runtime") -> None:
    if arguments.plan:
        print("reading dvc.yaml and dvc.lock", file=sys.stderr, flush=True)

    from palimpsest.pipeline import plan
    from palimpsest.pipeline.graph import Pipeline
    from palimpsest.pipeline.times import Times

    root, scratch = Path(), runtime.unfinished
    pipeline = Pipeline(root, scratch)
    pipeline.mend()
    stages = pipeline.stages(arguments.targets)
    logging.disable(logging.CRITICAL)  # what DVC and Dask say beside the display
    if arguments.plan:
        print(plan.of_pipeline(root, pipeline, stages, Times(root, scratch), arguments.targets))
        return
    due = pipeline.due(stages)
    if not due:
        print("# nothing has changed" if arguments.print_sbatch else "nothing has changed")
        return

    from palimpsest.pipeline import batch_jobs, pool, running  # Dask takes half a second to import

    shared = not arguments.no_shared_storage
    if arguments.print_sbatch:
        print(batch_jobs.script(stages, due, root, scratch, pool.origin(root, pipeline.cache, runtime.store, shared)))
        return
    if arguments.cluster or arguments.scheduler:
        source = pool.origin(root, pipeline.cache, runtime.store, shared)
    if arguments.cluster:
        opened = pool.of_cluster(root, scratch, source, arguments.cluster)
    elif arguments.scheduler:
        opened = pool.of_scheduler(root, scratch, source, arguments.scheduler)
    else:
        opened = pool.on_this_machine(root, scratch, *pool.room(runtime, arguments.workers))
    with opened as workers:
        running.run_all(pipeline, stages, due, Times(root, scratch), workers)


def serve(arguments: argparse.Namespace) -> None:
    """Shows a study to raters and gathers their votes in a database."""
    from palimpsest.study import server
    from palimpsest.study.trials import read_keys

    keys = read_keys(Path())
    one_of(arguments.study, keys, "--study")
    page = (Workspace().reports.study / f"{arguments.study}.html").read_text(encoding="utf-8")
    server.serve(page, keys[arguments.study], arguments.database, arguments.host, arguments.port)


def tally(arguments: argparse.Namespace) -> None:
    """Merges votes into records/votes and prints what the votes on each study come to."""
    from palimpsest.results.measured import read_results
    from palimpsest.study import votes
    from palimpsest.study.polls import read_polls, to_text
    from palimpsest.study.trials import read_keys

    keys = read_keys(Path())
    votes.add(Path(), keys, arguments.files)
    for name, poll in read_polls(read_results(Path())).items():
        if name in keys:
            print(to_text(poll))


def record(arguments: argparse.Namespace) -> None:
    """Puts what is measured here on record, or checks records."""
    from palimpsest.page import checking, recording
    from palimpsest.results.records import Errors, folders

    if arguments.check:
        there = {folder.name: folder for folder in folders(Path())}
        for name in arguments.names:
            one_of(name, list(there) or ["none, before one is made"], "record --check")
        asked, known = arguments.names or list(there), checking.Known.read(Path())
        Errors(line for name in asked for line in checking.check(there[name], known)).stop()
        print(f"nothing is wrong with {', '.join(asked)}" if asked else "there is no record to check")
        return
    if len(arguments.names) != 1:
        raise InputError(f"record: found {len(arguments.names)} names; accepted: one, or --check")
    (name,) = arguments.names
    if arguments.ledger:
        recording.write_ledger(recording.folder_of(Path(), name))
        print(f"the ledger of {name} is made anew")
        return
    print(f"{recording.put_on_record(_here(), name)} is written")


def _here() -> "Here":
    """What this machine adds to a record."""
    from datetime import UTC, datetime

    import psutil

    from palimpsest.config.runtime import read_runtime
    from palimpsest.page.checking import Known
    from palimpsest.page.recording import Here
    from palimpsest.pipeline.times import Times

    runtime, known = read_runtime(), Known.read(Path())
    times = Times(Path(), runtime.unfinished).here
    return Here(
        root=Path(),
        date=datetime.now(UTC),
        threads=runtime.threads or psutil.cpu_count(),
        seconds={stage: times[stage] for stage in known.stages if stage in times},
        public=known.public,
    )


def readme(arguments: argparse.Namespace) -> None:
    """Shows the record of the largest scale, of several the latest, in README.md and docs/findings.md."""
    from palimpsest.page import curves, findings, readme
    from palimpsest.page.blocks import fill
    from palimpsest.papers.values import read_values
    from palimpsest.results.records import best, read_records
    from palimpsest.storage import write_text

    shown = best(read_records(Path()))
    pages = {"README.md": {"record": readme.block(shown, read_values())}, "docs/findings.md": findings.blocks(shown)}
    for page, blocks in pages.items():
        write_text(page, fill(page, Path(page).read_text(encoding="utf-8"), blocks))
    if shown and shown.curves:
        curves.draw(shown, Path("docs", curves.FIGURE))
    print(f"{' and '.join(pages)} show {shown.folder if shown else 'that nothing is on record'}")


def methods(arguments: argparse.Namespace) -> None:
    """Writes docs/methods.md."""
    from palimpsest.methods import page
    from palimpsest.storage import write_text

    write_text("docs/methods.md", page(read_yaml("params.yaml")))


def refuse_another_tree() -> None:
    """InputError in a checkout whose own package is not the one that was loaded."""
    own, loaded = Path("src") / "palimpsest", Path(__file__).parent
    if own.is_dir() and not own.samefile(loaded):
        raise InputError(f"asked to run {own.absolute()}, found {loaded}; accepted: PYTHONPATH=src, or make's commands")


def add_reading(command: argparse.ArgumentParser, part: str) -> None:
    """The options by which a person says how files are named and holes are stored."""
    command.add_argument(
        "--holes-in",
        choices=["brightness", "red", "green", "blue", "alpha"],
        help="the channel that holes lie in, where that is not clear",
    )
    command.add_argument("--invert", action="store_true", help="black is missing, or what is transparent")
    command.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="[PART=]PATTERN",
        help=f"how others name files after {{name}}: {{name}}_fake, images={{name}}_real; of {part} without a part",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m palimpsest", description="What the pipeline made, by hand.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

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
    command.add_argument("--profile", help="tiny, photos or paper; params.yaml's own when left out")
    command.set_defaults(run_command=models)

    command = commands.add_parser("inpaint", help="fill the holes of one picture, or of a folder, of any size")
    command.add_argument("--run", required=True, help="a trained run, pretrained network, or released/NAME")
    command.add_argument("--image", required=True, type=Path, help="picture, or a folder of them")
    command.add_argument("--hole", required=True, type=Path, help="picture of its size, or a folder: white is missing")
    command.add_argument(
        "--out", required=True, type=Path, help="where the result goes: .png, .tif or .bmp, or a folder"
    )
    add_reading(command, "holes")
    command.set_defaults(run_command=inpaint)

    command = commands.add_parser("demo", help="paint a hole on a page, and see what methods make of it")
    command.add_argument("--run", nargs="+", default=[], help="methods to offer; all that are trained when left out")
    command.add_argument("--port", default=7860, type=int, help="of this machine; 7860 when left out")
    command.set_defaults(run_command=demo)

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

    command = commands.add_parser("repro", help="reproduce what has changed, several stages at a time")
    command.add_argument("targets", nargs="*", metavar="TARGET", help="as of `dvc repro`; all when left out")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--plan", action="store_true", help="run `check`, and say what else would run and for how long")
    where.add_argument("--print-sbatch", action="store_true", help="print a script that submits a SLURM job a stage")
    where.add_argument("--workers", type=int, metavar="N", help="stages at a time; as many as cores when left out")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler whose workers are to be used")
    where.add_argument(
        "--cluster", type=Path, metavar="FILE", help="start workers as jobs of a cluster: see docs/scale.md"
    )
    command.add_argument(
        "--no-shared-storage",
        action="store_true",
        help="workers see neither this folder nor DVC's cache, but its remote",
    )
    command.set_defaults(run_command=repro)

    command = commands.add_parser("study", help="let raters vote on the methods' results, and count their votes")
    steps = command.add_subparsers(required=True, metavar="STEP")
    command = steps.add_parser("serve", help="run a study for many raters, their votes in one file")
    command.add_argument("--study", required=True, help="a study in reports/study, such as crfill-1")
    command.add_argument("--database", required=True, type=Path, help="SQLite file; made where there is none")
    command.add_argument("--host", default="127.0.0.1", help="where to listen; 127.0.0.1 serves this machine alone")
    command.add_argument("--port", default=8000, type=int, help="8000 when left out; 0 takes one that is free")
    command.set_defaults(run_command=serve)
    command = steps.add_parser("tally", help="merge vote files into records/votes and print the tally")
    command.add_argument("files", nargs="*", type=Path, metavar="FILE", help="vote file of the page, or a database")
    command.set_defaults(run_command=tally)

    command = commands.add_parser("record", help="put what is measured here on record, or check records")
    command.add_argument("names", nargs="*", metavar="NAME", help="of the record; with --check all when left out")
    action = command.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="say what is wrong with records, a line each")
    action.add_argument("--ledger", action="store_true", help="make a record's ledger anew from its values")
    command.set_defaults(run_command=record)

    command = commands.add_parser("readme", help="show the record of the largest scale in README.md")
    command.set_defaults(run_command=readme)

    command = commands.add_parser("methods", help="write docs/methods.md: what each method follows and departs from")
    command.set_defaults(run_command=methods)

    arguments = parser.parse_args()
    refuse_another_tree()
    arguments.run_command(arguments)


if __name__ == "__main__":
    in_one_line(main)

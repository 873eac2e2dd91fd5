"""What was measured, kept and shown: `record`, `readme` and `methods`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from palimpsest.commands.asked import Commands
from palimpsest.config.yaml import InputError, one_of, read_yaml

if TYPE_CHECKING:
    from palimpsest.page.recording import Here


def add(commands: Commands) -> None:
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

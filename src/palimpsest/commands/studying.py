"""Studies with raters: `study serve` and `study tally`."""

import argparse
from pathlib import Path

from palimpsest.commands.asked import Commands
from palimpsest.config.yaml import one_of
from palimpsest.workspace import Workspace


def add(commands: Commands) -> None:
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

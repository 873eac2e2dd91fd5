"""Paths that people write in settings: where they lead, also from a copy of the project.

DVC makes a copy for an experiment of `--temp` or `--queue`, and `repro` a clone for a worker. Git brings tracked files
there, and DVC outputs. What lies beside them, such as archives and resume points, stays in the project's folder.
"""

import os
from pathlib import Path

PROJECT = "PROJECT_FOLDER"  # environment variable: the folder that a clone was made from, where its machine sees it
EXPERIMENTS = (".dvc", "tmp", "exps")  # below the project's folder, where DVC makes copies


def located(path: str) -> Path:
    """`~` is the user's home; a relative path begins at the project's folder, and never at that of a copy."""
    return project() / Path(path).expanduser()


def project() -> Path:
    """The project's folder; "." unless this process works in a copy."""
    if PROJECT in os.environ:
        return Path(os.environ[PROJECT])
    here = Path.cwd().parts
    for place in range(len(here) - len(EXPERIMENTS)):
        if here[place : place + len(EXPERIMENTS)] == EXPERIMENTS:
            return Path(*here[:place])
    return Path()


def for_dvc(path: str) -> str:
    """What to write instead where DVC itself reads a path, and so finds in a copy only what Git and DVC bring there."""
    there = located(path)
    if Path(path) == there or not there.exists():
        return ""
    return f"; this is a copy, without what Git does not hold: write {there}, or `dvc exp run --copy-paths {path}`"

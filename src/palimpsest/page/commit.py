"""Which code a report or a record was made with."""

import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from palimpsest.config.yaml import InputError, Tree, read_yaml
from palimpsest.results.comparison import changed_settings

SETTINGS = "params.yaml"
CODE = ["src", "stages", "datasets.yaml", "released.yaml", "dvc.yaml", "requirements.txt"]
CHOSEN = ("profile", "accepted_terms")  # settings that each person chooses: they may differ from the commit's
ACCEPT = ".accept"  # ends those that accept a licence


def commit(root: Path) -> str:
    """The last commit that touched code or settings, and whether they were changed since; "unknown" without Git."""
    places = [*CODE, SETTINGS]
    last, changes = (_git(root, *words, "--", *places) for words in (["log", "-1", "--format=%h"], ["status", "-s"]))
    return f"{last}{' + uncommitted changes' if changes else ''}" if last else "unknown"


def committed(root: Path) -> str:
    """The full hash of the last commit that touched code or settings; InputError where another tree was run."""
    last = _git(root, "log", "-1", "--format=%H", "--", *CODE, SETTINGS)
    if not last:
        raise InputError(f"{root.absolute()}: asked for the commit that made the results, found none in Git")
    changed = [line.split()[-1] for line in _git(root, "status", "-s", "--", *CODE).splitlines()]
    before: Tree = YAML(typ="safe", pure=True).load(_git(root, "show", f"HEAD:./{SETTINGS}"))
    settings = changed_settings(before, read_yaml(root / SETTINGS))
    changed += [f"{SETTINGS}: {key}" for key in settings if key not in CHOSEN and not key.endswith(ACCEPT)]
    if changed:
        found = f"found uncommitted changes: {', '.join(changed)}"
        raise InputError(f"{found}; accepted: a committed tree, which a record names so that others make it again")
    return last


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""

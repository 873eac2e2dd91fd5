"""Which code a report was made with."""

import subprocess
from pathlib import Path

CODE = ["src", "stages", "params.yaml", "datasets.yaml", "dvc.yaml", "requirements.txt"]


def commit(root: Path) -> str:
    """The last commit that touched code or settings, and whether they were changed since; "unknown" without Git."""
    last, changes = (_git(root, *words, "--", *CODE) for words in (["log", "-1", "--format=%h"], ["status", "-s"]))
    return f"{last}{' + uncommitted changes' if changes else ''}" if last else "unknown"


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""

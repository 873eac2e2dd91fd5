"""A clone has the same bytes whatever Git is told of line ends, so that DVC finds nothing changed."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def git(folder: Path, *words: str, given: str = "") -> str:
    return subprocess.run(["git", *words], cwd=folder, input=given, capture_output=True, text=True, check=True).stdout


def test_a_clone_with_line_ends_of_windows_has_the_bytes_of_the_commit(tmp_path):
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", str(ROOT), "clone")
    committed = [line.split(maxsplit=3)[2:] for line in git(ROOT, "ls-tree", "-r", "HEAD").splitlines()]
    blobs, names = zip(*committed, strict=True)
    found = git(tmp_path / "clone", "hash-object", "--no-filters", "--stdin-paths", given="\n".join(names))
    assert [name for name, blob, now in zip(names, blobs, found.split(), strict=True) if blob != now] == []
    assert len(names) > 500

"""Debian packages as files, without root: found in a folder, or downloaded by apt-get."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from palimpsest.config.yaml import InputError
from palimpsest.data import fetching
from palimpsest.data.downloading import NotThereError
from palimpsest.data.fetching import Remote, folders, is_address


def fetch(package: str, version: str, store: Path, mirror: str | None) -> Path:
    """The .deb of a package, in this version if it can be found, else in another; InputError if there is none."""
    exact = f"{package}_{version.replace(':', '%3a')}_all.deb"  # as apt-get names it
    for pattern in (exact, f"{package}_*.deb"):
        present = [path for folder in folders(store, mirror) for path in folder.glob(pattern)]
        if present:
            return max(present, key=lambda path: path.name)
    if is_address(mirror):
        with suppress(NotThereError):
            return fetching.fetch(exact, Remote(url=None, bytes=None, hash=None, how="by apt-get"), store, mirror).path
    if which("apt-get") is None:
        raise InputError(f"{package}: found no apt-get; accepted: {exact} in {store}")
    store.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{package}-", dir=store) as folder:
        said = _download([f"{package}={version}", package], Path(folder), store / ".apt")
        if not (found := sorted(Path(folder).glob("*.deb"))):
            raise InputError(
                f"{package}: asked apt-get for it, found no package ({said}); accepted: a connection to a Debian "
                f"mirror, or {exact} in {store}"
            )
        return found[0].replace(store / found[0].name)


def _download(wanted: list[str], folder: Path, state: Path) -> str:
    """Tries each of `wanted` with the machine's package lists, then with fresh ones; returns apt-get's last errors."""
    lists = state / "lists"
    own = [f"--option=Dir::State::Lists={lists.absolute()}", f"--option=Dir::Cache={(state / 'cache').absolute()}"]
    said = ""
    for options in ([], own):
        if options:
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            said = _apt_get(options, "update", [], folder)
        for name in wanted:
            said = _apt_get(options, "download", [name], folder)
            if any(folder.glob("*.deb")):
                return said
    return said


def _apt_get(options: list[str], command: str, names: list[str], folder: Path) -> str:
    run = subprocess.run(
        ["apt-get", "--quiet", *options, command, *names],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    lines = [line for line in run.stderr.splitlines() if line.startswith("E:")]
    return " ".join(lines) or "nothing"

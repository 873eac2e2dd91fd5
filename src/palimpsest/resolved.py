"""resolved/<stage>[/<name>].json: all that one stage depends on besides its data, as `check` resolved it.

Each holds `code`, the manifest of the source files that the stage runs, and the settings it reads.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from palimpsest.config.yaml import S, Tree, build, digest, section
from palimpsest.manifests import Manifest
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace


@dataclass(frozen=True)
class Resolved:
    """What one stage reads of the settings, for the run, slot or other that it takes."""

    name: str  # of what it takes; "" for a stage that there is once
    path: Path
    tree: Tree

    @classmethod
    def read(cls, stage: str, name: str = "", root: Path = Path()) -> Self:
        """InputError if `check` wrote no such file."""
        return cls.at(Workspace(root).resolved(stage, name), name)

    @classmethod
    def at(cls, path: Path, name: str = "") -> Self:
        """The resolved settings in a file."""
        return cls(name, path, read_json(path, dict))

    @property
    def code(self) -> Manifest:
        return self.tree["code"]

    @property
    def fingerprint(self) -> str:
        """sha256 of all of it."""
        return digest(self.tree)

    def value(self, *keys: str) -> Any:
        return section(self.tree, *keys)

    def part(self, kind: type[S], key: str) -> S:
        """The settings under `key`; InputError names this file and each key that is wrong."""
        return build(kind, self.value(key), key, str(self.path))

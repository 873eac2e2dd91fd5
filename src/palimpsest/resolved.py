"""resolved/<stage>[/<name>].json: all that one stage depends on besides its data, as `check` resolved it.

Each holds `code`, the manifest of the source files that the stage runs, and the settings it reads.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from palimpsest.config.yaml import InputError, S, Tree, build, choices, digest, section
from palimpsest.manifests import Manifest
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace


@dataclass(frozen=True)
class Resolved:
    """What one instance of a stage reads of the settings."""

    name: str  # run, slot or other that the stage takes; "" for a stage that takes none
    path: Path
    tree: Tree

    @classmethod
    def read(cls, stage: str, name: str = "", root: Path = Path()) -> Self:
        """InputError if there is no such stage or name, or if `check` has not run."""
        path = Workspace(root).resolved(stage, name)
        if not path.is_file() and path.parent.is_dir():
            known = sorted(file.stem for file in Workspace(root).resolved(stage).with_suffix("").glob("*.json"))
            asked = f"stage {stage}: asked for {name or 'no name'}, found no {path}"
            raise InputError(f"{asked}; accepted: {choices(known or ['no name'], name)}")
        return cls.at(path, name)

    @classmethod
    def at(cls, path: Path, name: str = "") -> Self:
        """The resolved settings in a file."""
        return cls(name, path, read_json(path, dict))

    @property
    def code(self) -> Manifest:
        return self.tree["code"]

    @property
    def published(self) -> str | None:
        """Hash of what the papers published, for the stages that read it."""
        return self.tree.get("published")

    @property
    def fingerprint(self) -> str:
        """sha256 of all of it."""
        return digest(self.tree)

    def value(self, *keys: str) -> Any:
        return section(self.tree, *keys)

    def part(self, kind: type[S], key: str) -> S:
        """The settings under `key`; InputError names this file and each key that is wrong."""
        return build(kind, self.value(key), key, str(self.path))

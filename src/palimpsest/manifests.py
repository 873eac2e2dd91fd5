"""Which source files a stage runs, so that an edit reruns the stages it can change and no other.

A manifest holds every project module that a stage's script and its methods' files import, each with the hash of its
syntax tree: a comment or a docstring changes nothing.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from palimpsest.config.yaml import InputError

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parents[1]
MODELS = sorted(file.stem for file in (PACKAGE / "models").glob("[a-z]*.py"))
OWN = ("palimpsest", "stages")  # packages

Manifest = dict[str, str]  # module → hash


def manifest(stage: str, models: Iterable[str] = ()) -> Manifest:
    """The modules of a stage's script, of `models`, and all that they import."""
    waiting = ["stages", f"stages.{stage}", *(f"palimpsest.models.{model}" for model in models)]
    hashes: Manifest = {}
    while waiting:
        module = waiting.pop()
        if module not in hashes:
            hashes[module], imported = _read(_file(module))
            waiting += imported
    return dict(sorted(hashes.items()))


def refuse_changes(loaded: Mapping[str, bytes], expected: Manifest) -> None:
    """InputError where a module was loaded from other source than `expected` names; `loaded` is {module: source}."""
    for module, source in loaded.items():
        if _hash(ast.parse(source)) != expected.get(module):
            found = "has changed since `check` read it" if module in expected else "is in no manifest of this stage"
            raise InputError(f"{module}: its source {found}, so nothing is recorded; `dvc repro` starts from it")


def inputs_hash() -> str:
    """sha256 of every file that `check` reads: the settings, and all source and data files, words included."""
    files = [ROOT / "params.yaml", ROOT / "datasets.yaml", ROOT / "released.yaml"]
    for folder in ("stages", "src"):
        files += _files(ROOT / folder, ".py", ".yaml", ".csv")
    return _hash_of(files)


def published_hash() -> str:
    """sha256 of what the papers published: the layouts of their tables and figures, their numbers and their metrics."""
    return _hash_of(_files(PACKAGE / "papers", ".yaml", ".csv"))


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*.*") if path.suffix in endings and path.is_file())


def _hash_of(files: list[Path]) -> str:
    return hashlib.sha256(
        b"".join(file.name.encode() + hashlib.sha256(file.read_bytes()).digest() for file in files)
    ).hexdigest()


@cache
def _read(path: Path) -> tuple[str, list[str]]:
    """The hash of a source file, and the project modules that it imports."""
    tree = ast.parse(path.read_bytes())
    return _hash(tree), [module for module in _imported(tree) if _file(module)]


def _hash(tree: ast.Module) -> str:
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()


def _imported(tree: ast.Module) -> Iterator[str]:
    """Every project module a tree may import, with the packages it lies in."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names):
                modules = [module, *(f"{module}.{alias.name}" for alias in names)]
            case _:
                continue
        for module in modules:
            parts = module.split(".")
            yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1) if parts[0] in OWN)


def _file(module: str) -> Path | None:
    folder = ROOT if module.startswith("stages") else ROOT / "src"
    path = folder / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree

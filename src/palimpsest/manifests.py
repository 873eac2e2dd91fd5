"""Which source files a stage runs, so that an edit reruns the stages it can change and no other.

A manifest holds every project module that a stage's script, and its method's file, import, each with the hash of its
syntax tree: a comment or a docstring changes nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent
STAGES = PACKAGE.parents[1] / "stages"
MODELS = sorted(file.stem for file in (PACKAGE / "models").glob("[a-z]*.py"))


def manifest(stage: str, models: list[str]) -> dict[str, str]:
    """{module: hash} of a stage's script and all that it imports, `models` with it."""
    waiting = [(f"stages.{stage}", STAGES / f"{stage}.py")]
    waiting += [(f"palimpsest.models.{model}", PACKAGE / "models" / f"{model}.py") for model in models]
    hashes: dict[str, str] = {}
    while waiting:
        name, path = waiting.pop()
        if name not in hashes:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            hashes[name] = hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()
            waiting += [(module, file) for module in _imported(tree) if (file := _file(module))]
    return dict(sorted(hashes.items()))


def recorded(stage: str, model: str = "") -> str:
    """The hash of the manifest on disk of a stage, and its model, where it has one for each; "" where there is none."""
    path = Path("code") / f"{stage}{'-' * bool(model)}{model}.json"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


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
            yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1) if parts[0] == PACKAGE.name)


def _file(module: str) -> Path | None:
    path = PACKAGE.parent / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree

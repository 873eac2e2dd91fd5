"""Reads YAML files strictly into frozen settings; every error names the full dotted key."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Tree = dict[str, Any]


def each_once(values: list) -> list:
    if doubled := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{doubled[0]!r} appears twice; accepted: each value once")
    return values


class InputError(Exception):
    """Something the user gave cannot be used; the text says what was asked, what was found, what would be accepted."""


class Settings(BaseModel):
    """A frozen group of settings: no key may be missing, none may be extra, and no value is converted silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=BaseModel)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]  # of a section that names files


def read_yaml(path: Path | str) -> Tree:
    """The mapping in a YAML 1.2 file; InputError if there is none."""
    try:
        tree = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; run this from the project's folder") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: found no settings; accepted: a mapping of keys to values")
    return tree


def section(tree: Tree, *keys: str) -> Any:
    """The subtree under `keys`; InputError names the first missing key and its siblings."""
    for depth, key in enumerate(keys):
        if not isinstance(tree, Mapping) or key not in tree:
            found = ", ".join(map(str, tree)) if isinstance(tree, Mapping) else repr(tree)
            raise InputError(f"params: {'.'.join(keys[: depth + 1])} is missing; found here: {found or 'nothing'}")
        tree = tree[key]
    return tree


def build(kind: type[S], tree: Any, at: str, source: str = "params") -> S:
    """`tree` as a `kind`; InputError lists every wrong key of `source` by its full dotted name under `at`."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise InputError("\n".join(f"{source}: {_explain(problem, at, tree)}" for problem in error.errors())) from error


def part(tree: Tree, kind: type[S], *keys: str) -> S:
    """The subtree under `keys` as a `kind`."""
    return build(kind, section(tree, *keys), ".".join(keys))


def _explain(problem: Mapping[str, Any], at: str, tree: Any) -> str:
    absent = [problem["loc"][-1]] if problem["type"] == "missing" else []
    key = ".".join([at] * bool(at) + [str(key) for key in [*_keys(problem["loc"], tree), *absent]])
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is not a setting (found {problem['input']!r}); check its spelling or remove it"
        case "missing":
            return f"{key} is missing"
        case _:
            return f"{key} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys(location: tuple[str | int, ...], tree: Any) -> Iterator[str | int]:
    """The YAML keys that lead to `location`, into which pydantic also puts the names of a union's members."""
    for key in location:
        if isinstance(key, int) or (isinstance(tree, Mapping) and key in tree):
            tree = tree[key]
            yield key


def merge(base: Tree, changes: Tree, at: str) -> Tree:
    """`base` updated with `changes`: mappings are merged, lists and scalars replaced.

    InputError for a key that `base` does not have.
    """
    merged = dict(base)
    for key, value in changes.items():
        if key not in base:
            raise InputError(f"params: {at}.{key} is not a setting of its base; accepted: {', '.join(base)}")
        nested = isinstance(base[key], dict)
        if nested != isinstance(value, dict):
            raise InputError(f"params: {at}.{key} is {value!r}, where the settings hold {base[key]!r}")
        merged[key] = merge(base[key], value, f"{at}.{key}") if nested else value
    return merged


def digest(value: Any) -> str:
    """sha256 of a JSON-like value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def one_of(value: object, accepted: Iterable[object], at: str) -> None:
    """InputError unless `value` is one of `accepted`; `at` names the file and the key."""
    if value not in (accepted := list(accepted)):
        raise InputError(f"{at}: found {value!r}; accepted: {', '.join(map(str, accepted))}")

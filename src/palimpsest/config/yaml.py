"""Reads YAML files strictly into frozen settings; every error names the full dotted key."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from palimpsest.config.words import number_of

Tree = dict[str, Any]
Keys = tuple[str | int, ...]  # that lead to a value in a tree
Namer = Callable[[Keys], str]  # how a file writes them

LINES = 5  # of an error, at most
SHOWN = 60  # characters of a wrong value
NAMED = 5  # names that would be accepted, at most; of more, those that are alike


def each_once(values: list) -> list:
    if doubled := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{doubled[0]!r} appears twice; accepted: each value once")
    return values


def spelt(pattern: str, accepted: str) -> Any:
    """The type of a text that matches a pattern as a whole; `accepted` says in plain words what does."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("spelling", accepted)
        return text

    return Annotated[str, AfterValidator(check)]


class InputError(Exception):
    """Something the user gave cannot be used; the text says what was asked, what was found, what would be accepted."""


class Settings(BaseModel):
    """A frozen group of settings: no key may be missing, none may be extra, and no value is converted silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=BaseModel)
NAME = "[key]"  # pydantic's last step to a key that is wrong itself
PLAIN = {  # pydantic's type of an error → what would be accepted
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "model_attributes_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "string_type": "text",
}
Name = spelt("[a-z0-9][a-z0-9-]*", "a name of small letters, digits and hyphens")  # of a section that names files


def read_yaml(path: Path | str) -> Tree:
    """The mapping in a YAML 1.2 file; InputError if there is none."""
    try:
        tree = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; run this from the project's folder") from error
    except DuplicateKeyError as error:
        key = re.search(r'duplicate key "(.*?)" with', str(error.problem))
        raise InputError(
            f"{path}, line {error.problem_mark.line + 1}: found the key {key[1]} twice; accepted: once"
        ) from error
    except MarkedYAMLError as error:
        found = f"{path}, line {error.problem_mark.line + 1}: {error.problem}"
        raise InputError(f"{found}; accepted: a file that YAML 1.2 can read") from error
    except (YAMLError, ValueError, RecursionError) as error:
        found = "a number of too many digits" if "int_max_str_digits" in str(error) else " ".join(str(error).split())
        raise InputError(f"{path}: {found}; accepted: a file that YAML 1.2 can read") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: found no settings; accepted: a mapping of keys to values")
    return tree


def section(tree: Tree, *keys: str) -> Any:
    """The subtree under `keys`; InputError names the first missing key and its siblings."""
    for depth, key in enumerate(keys):
        if not isinstance(tree, Mapping) or key not in tree:
            found = choices(tree, key) if isinstance(tree, Mapping) else shown(tree)
            raise InputError(f"params.yaml: {'.'.join(keys[: depth + 1])} is missing; found here: {found or 'nothing'}")
        tree = tree[key]
    return tree


def shown(value: Any) -> str:
    """A wrong value as an error shows it, or how it begins."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)  # as YAML writes these
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def choices(accepted: Iterable[Any], found: Any) -> str:
    """The names that would be accepted; where they are many, those that are most like the one that was found."""
    names = list(map(str, accepted))
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(get_close_matches(str(found), names) or names[:3])}, … ({len(names)} in all)"


def build(kind: type[S], tree: Any, at: str | Namer, source: str = "params.yaml") -> S:
    """`tree` as a `kind`; InputError lists the wrong keys of `source` by their full dotted names.

    `at` is what stands before the keys of `tree`, or gives their names.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        named = partial(dotted, at) if isinstance(at, str) else at
        lines = list(dict.fromkeys(f"{source}: {line}" for line in _explain(error, named, tree, kind)))
        more = [f"{source}: {len(lines) - LINES} more"] if len(lines) > LINES else []
        raise InputError("\n".join(lines[:LINES] + more)) from error


def dotted(at: str, keys: Keys) -> str:
    return ".".join([at] * bool(at) + list(map(str, keys)))


def where_written(tree: Tree, keys: Keys) -> str:
    """The dotted name of keys; of what an alias repeats, the name at its anchor."""
    first: dict[int, Keys] = {}
    for path, group in _groups(tree, ()):
        first.setdefault(id(group), path)
    group, name = tree, ()
    for key in keys:
        name = (*first.get(id(group), name), key)
        group = group[key] if isinstance(group, list) or key in group else None
    return dotted("", name)


def _groups(tree: Any, path: Keys) -> Iterator[tuple[Keys, Any]]:
    """Every mapping and list, each with the keys that lead to it."""
    if isinstance(tree, dict | list):
        yield path, tree
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _groups(value, (*path, key))


def part(tree: Tree, kind: type[S], *keys: str) -> S:
    """The subtree under `keys` as a `kind`."""
    return build(kind, section(tree, *keys), ".".join(keys))


def _explain(error: ValidationError, named: Namer, tree: Any, kind: type[BaseModel]) -> Iterator[str]:
    """A line for each wrong key: what was found there and what would be accepted."""
    problems: dict[Keys, list[Mapping[str, Any]]] = {}
    for problem in error.errors():
        problems.setdefault(_wrong_key(problem, tree), []).append(problem)
    for keys, alike in problems.items():  # several at one key, or below it, are those of a union's members
        below = [other for other in problems if len(other) > len(keys) and other[: len(keys)] == keys]
        if all(other[-1] == NAME for other in below):
            yield _line(named(tuple(key for key in keys if key != NAME)), alike, kind)


def _wrong_key(problem: Mapping[str, Any], tree: Any) -> Keys:
    keys = list(_keys(problem["loc"], tree))
    match problem["type"]:
        case "missing":
            keys.append(problem["loc"][-1])
        case "union_tag_invalid" | "union_tag_not_found":
            keys.append(problem["ctx"]["discriminator"].strip("'"))
    return (*keys, NAME) if problem["loc"][-1:] == (NAME,) else tuple(keys)


def _keys(location: Keys, tree: Any) -> Iterator[str | int]:
    """The YAML keys that lead to `location`, into which pydantic also puts the names of a union's members."""
    member = None  # of the union that the settings are of
    for key in location:
        if member is None and isinstance(tree, Mapping) and key in tree.values():
            member = key
        elif isinstance(key, int) or (isinstance(tree, Mapping) and key in tree):
            tree, member = tree[key], None
            yield key


def _line(key: str, alike: list[Mapping[str, Any]], kind: type[BaseModel]) -> str:
    problem = alike[0]
    found, known = problem["input"], problem.get("ctx", {})
    value = f"{key} is {shown(found)}" if key else f"found {shown(found)}"
    match problem["type"]:
        case "extra_forbidden":
            *place, name = problem["loc"]
            alike = get_close_matches(str(name), _settings_at(kind, place), 1)
            advice = f"did you mean {alike[0]}?" if alike else "remove it"
            return f"{key} is not a setting (found {shown(found)}); {advice}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            alike = get_close_matches(key.rpartition(".")[2], map(str, found), 1) if isinstance(found, Mapping) else []
            return f"{key} is missing" + (f"; found {alike[0]} in its place" if alike else "")
        case "union_tag_invalid":
            accepted = known["expected_tags"].replace("'", "").split(", ")
            written = found[known["discriminator"].strip("'")]
            return f"{key} is {shown(written)}; accepted: {choices(accepted, written)}"
        case "value_error":
            said = [key] * bool(key) if isinstance(found, Mapping) else [value]
            return ": ".join([*said, str(known["error"])])
    accepted = dict.fromkeys(map(_accepted, alike))
    if PLAIN["float_type"] in accepted:
        accepted.pop(PLAIN["int_type"], None)
    return f"{value}; accepted: {' or '.join(accepted)}"


def _settings_at(kind: type[BaseModel], place: Iterable[str | int]) -> set[str]:
    """The names of the settings at a place within a kind; of a union, those of all its members."""
    kinds = {kind}
    for key in place:
        inner = (each.model_fields[key].annotation for each in kinds if key in each.model_fields)
        kinds = set().union(*map(_kinds, inner)) or kinds
    return set().union(*(each.model_fields for each in kinds))


def _kinds(annotation: Any) -> set[type[BaseModel]]:
    """Every kind of settings in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return set().union(*map(_kinds, get_args(annotation)))


def _accepted(problem: Mapping[str, Any]) -> str:
    known = problem.get("ctx", {})
    match problem["type"]:
        case "string_too_short":
            return f"text of {number_of(known['min_length'], 'character')} or more"
        case "too_short":
            return f"{number_of(known['min_length'], 'value')} or more"
        case "too_long":
            return f"{number_of(known['max_length'], 'value')} or fewer"
    if problem["type"] in PLAIN:
        whole = {name: int(value) for name, value in known.items() if isinstance(value, float) and value.is_integer()}
        return PLAIN[problem["type"]].format(**{**known, **whole})
    return problem["msg"].removeprefix("Input should be ")


def merge(base: Tree, changes: Tree, at: str) -> Tree:
    """`base` updated with `changes`: mappings are merged, lists and scalars replaced.

    InputError for a key that `base` does not have.
    """
    merged = dict(base)
    for key, value in changes.items():
        if key not in base:
            raise InputError(f"params.yaml: {at}.{key} is not a setting of its base; accepted: {choices(base, key)}")
        nested = isinstance(base[key], dict)
        if nested != isinstance(value, dict):
            raise InputError(f"params.yaml: {at}.{key} is {shown(value)}, where the settings hold {shown(base[key])}")
        merged[key] = merge(base[key], value, f"{at}.{key}") if nested else value
    return merged


def digest(value: Any) -> str:
    """sha256 of a JSON-like value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def one_of(value: object, accepted: Iterable[object], at: str) -> None:
    """InputError unless `value` is one of `accepted`; `at` names the file and the key."""
    if value not in (accepted := list(accepted)):
        raise InputError(f"{at}: found {shown(value)}; accepted: {choices(accepted, value)}")

"""Why stages would run: which setting, source file or data is not as it was when they ran last."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from textwrap import shorten

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Tree, read_yaml
from palimpsest.pipeline.agenda import Stages
from palimpsest.pipeline.graph import Pipeline
from palimpsest.results.comparison import changed_settings

OF_ALL_RUNS = "resolved/runs.json"  # which has a section for each run
NOT_MADE = "not made here yet, or no longer in the cache"
NAMED = 3  # reasons of one stage, and stages that one comes after
LONGEST = 40  # characters of a value
HASHES = ("settings", "published", "fills")  # keys of resolved files under which there are hashes of what others hold


def reasons(
    root: Path, pipeline: Pipeline, stages: Stages, news: Mapping[str, Mapping[str, str]], due: Collection[str]
) -> dict[str, str]:
    """{stage: why it would run} of those that are due, in a few words; `news` are those of the pipeline."""
    params, found = read_yaml(root / "params.yaml"), {}
    for name in (name for name in stages if name in due):
        states = news.get(name, {}) if pipeline.made(name) else {NOT_MADE: ""}
        changed = [why for path, state in states.items() for why in _news(params, pipeline, name, path, state)]
        before = [other for other in stages if other in stages[name].after and other in due]
        found[name] = "; ".join(_few(dict.fromkeys(changed)) + ([f"after {', '.join(_few(before))}"] if before else []))
    return found


def _news(params: Tree, pipeline: Pipeline, stage: str, path: str, state: str) -> Iterator[str]:
    """What a path that is not as it was stands for: settings and sources in a resolved file, or the path itself."""
    before = pipeline.known(stage, path) if path.startswith("resolved/") and state == "modified" else None
    if before is None:
        yield f"{path} {state}".strip()
        return
    now = json.loads((pipeline.root / path).read_text(encoding="utf-8"))
    changed = changed_settings(json.loads(before), now)
    if path == OF_ALL_RUNS:
        yield f"{path}: {', '.join(_few(dict.fromkeys(key.partition('.')[0] for key in changed)))}"
        return
    told = [_told(params, now, key, *values) for key, values in changed.items() if key.partition(".")[0] not in HASHES]
    yield from told or [f"{path} {state}"]


def _told(params: Tree, now: Tree, key: str, before: object, after: object) -> str:
    """A changed value of a resolved file, in the words of params.yaml where it is a run's."""
    part, _, rest = key.partition(".")
    if part == "code":
        return f"code of {rest}"
    shown = f"{shorten(str(before), LONGEST)} → {shorten(str(after), LONGEST)}"
    run, inner = now.get("run"), rest
    while part == "run" and isinstance(run, Mapping):
        first, _, below = inner.partition(".")
        if first == "settings":
            return f"{_owner(params, run['name'], below)} {shown}"
        run, inner = run.get(first), below
    return f"{key} {shown}"


def _owner(params: Tree, name: str, key: str) -> str:
    """The dotted key in params.yaml of a run's setting: its own, or that of its base."""
    try:
        where, base = ("pretrained" if name in params["pretrained"] else "runs"), runs.base_of(params, name)
    except InputError:  # a released network
        return f"{name}.settings.{key}"
    own = params[where][name].get("settings", {})
    for step in key.split("."):
        if not isinstance(own, Mapping) or step not in own:
            return f"{where}.{base}.settings.{key}, inherited:"
        own = own[step]
    return f"{where}.{name}.settings.{key}"


def _few(words: Collection[str]) -> list[str]:
    """The first of many, and how many more there are."""
    words = list(words)
    return words if len(words) <= NAMED else [*words[: NAMED - 1], f"{len(words) - NAMED + 1} more"]

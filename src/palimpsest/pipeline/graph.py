"""The pipeline as DVC knows it: the stages, what each one waits for and needs, and which of them have to run."""

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import dvc.lock
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage.exceptions import StageCmdFailedError
from dvc.utils.serialize import dumps_yaml, load_yaml, parse_yaml_for_update
from psutil import STATUS_ZOMBIE, NoSuchProcess, Process
from pydantic import NonNegativeFloat
from tqdm import tqdm

from palimpsest.config.yaml import InputError, Settings, build, choices
from palimpsest.storage import write_text

if TYPE_CHECKING:
    from dvc.stage import Stage as DvcStage

PATIENCE = 60.0  # s for another process to let go of the files of a stage
PAUSE = 0.5  # s between two tries
NO_GIT = "`dvc config --local core.no_scm true`"

dvc.lock.DEFAULT_TIMEOUT = 0.3  # s; DVC tries a lock six times in it, and waits for as long as the lock is held


class Needs(Settings):
    """`meta.needs` of a stage in dvc.yaml, which DVC keeps and does not read."""

    gpu: bool = False  # computes networks, so it gets a GPU where there are any
    memory: NonNegativeFloat = 1.0  # GiB that its processes take at most
    alone: bool = False  # measures times, so nothing may run beside it


@dataclass(frozen=True)
class Stage:
    name: str
    after: frozenset[str]  # stages that make what it depends on
    needs: Needs


def followers(stages: Mapping[str, Stage], names: Collection[str]) -> set[str]:
    """Names and every stage that depends on one of them, directly or not; `stages` are in an order that runs."""
    found = set(names)
    for stage in stages.values():
        if stage.after & found:
            found.add(stage.name)
    return found


class Pipeline:
    """The DVC repository in a folder. Each method waits while another process holds its lock."""

    def __init__(self, root: Path, scratch: Path):
        """`scratch` is where dvc.lock is kept while a command changes it."""
        try:
            self.repo = Repo(str(root), _wait_for_lock=True)
        except DvcException as error:
            found = f"found none ({error}); outside Git, {NO_GIT} comes first"
            raise InputError(f"{root}: asked for a DVC pipeline, {found}") from error
        self.root = root
        self.lock, self.kept = root / "dvc.lock", scratch / "dvc.lock"

    @property
    def cache(self) -> Path:
        """The folder of DVC's cache."""
        return Path(self.repo.cache.local_cache_dir).absolute()

    def stages(self, targets: Iterable[str] = ()) -> dict[str, Stage]:
        """{name: stage} of targets and of all that they depend on, in the order of `dvc repro`.

        All stages without targets; InputError for a target or a dvc.yaml that DVC cannot read.
        """
        with self._locked():
            graph = get_active_graph(self.repo.index.graph)
            wanted = list(chain.from_iterable(map(self._collected, list(targets) or ["dvc.yaml"])))
        return {
            stage.addressing: Stage(
                stage.addressing,
                frozenset(needed.addressing for needed in graph.successors(stage)),
                build(Needs, (stage.meta or {}).get("needs", {}), "meta.needs", f"dvc.yaml: {stage.addressing}"),
            )
            for stage in plan_repro(graph, wanted)
        }

    def _collected(self, target: str) -> "list[DvcStage]":
        try:
            return collect_stages(self.repo, [target])
        except DvcException as error:
            known = choices([stage.addressing for stage in self.repo.index.stages], target)
            raise InputError(f"dvc.yaml: asked for {target}, found neither such a stage nor such an output; "
                             f"accepted: {known}") from error  # fmt: skip

    def changed(self, names: Collection[str], again: bool = False) -> set[str]:
        """Those whose command, dependencies or outputs are not as dvc.lock has them.

        Asked `again`, it leaves out the stages that always count as changed.
        """
        try:
            with self._locked():
                asked = [stage for stage in self.repo.index.stages if stage.addressing in names and not stage.frozen]
                return {stage.addressing for stage in asked if stage.changed() and not (again and _always(stage))}
        except InputError:
            if not self.mend():
                raise
        return self.changed(names, again)

    def due(self, stages: Mapping[str, Stage], again: bool = False) -> set[str]:
        """Those that have changed and all that depend on them."""
        return followers(stages, self.changed(stages, again))

    def news(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """{stage: {path, or what else: how it differs from what dvc.lock says}} of those that have changed."""
        with self._locked():
            asked = [stage for stage in self.repo.index.stages if stage.addressing in names and not stage.frozen]
            states = {stage.addressing: stage.status() for stage in tqdm(asked, unit="stage", disable=None)}
        return {name: _differences(state[name]) for name, state in states.items() if state}

    def made(self, name: str) -> bool:
        """Whether dvc.lock knows the outputs of a stage, and the cache has those that it keeps."""
        (stage,) = [each for each in self.repo.index.stages if each.addressing == name]
        return all(out.hash_info and not (out.use_cache and out.changed_cache()) for out in stage.outs)

    def known(self, name: str, path: str) -> str | None:
        """The text of a file that a stage depends on, as it was when the stage ran last; None if the cache lacks it."""
        (stage,) = [each for each in self.repo.index.stages if each.addressing == name]
        (value,) = [each.hash_info.value for each in stage.deps if each.def_path == path]
        kept = Path(self.repo.cache.local.oid_to_path(value)) if value else None
        return kept.read_text(encoding="utf-8") if kept and kept.is_file() else None

    def reproduce(self, name: str) -> None:
        """Reproduces one stage, whatever those before it are; raises what DVC raises."""
        self.repo.reproduce([name], single_item=True)

    def reproduce_apart(self, name: str, lock: str, through_remote: bool) -> None:
        """Reproduces one stage in a clone that takes over `lock`, the text of dvc.lock, and what it names.

        What may not be pushed, such as photographs, a clone without a common cache makes for itself.
        """
        if lock:
            write_text(self.lock, lock)
        if through_remote:
            self.repo.pull([name], with_deps=True, allow_missing=True, force=True)
        else:
            self.repo.checkout(allow_missing=True, force=True)
        self.repo.reproduce([name])
        if through_remote:
            self.repo.push([name], run_cache=True)

    def take_over(self, name: str, through_remote: bool) -> None:
        """Records a stage that a clone has reproduced, with what it has made; raises what DVC raises."""
        self.repo.reproduce([name], single_item=True, pull=through_remote)

    def patiently(self, step: Callable[[], None]) -> BaseException | None:
        """What goes wrong in one of the steps above.

        Waits where another process holds the files of the stage, and mends what killed ones have left. DVC asserts
        that a stage which ends is on its list of files in use, and it is not if another worker had to mend the list.
        """
        until = time.monotonic() + PATIENCE
        while True:
            try:
                step()
                return None
            except (DvcException, AssertionError) as error:
                *_, cause = _causes(error)
                if isinstance(cause, LockError | AssertionError) and time.monotonic() < until:
                    time.sleep(PAUSE)
                elif isinstance(cause, StageCmdFailedError) or not self.mend():
                    return cause

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with lock_repo(self.repo):
                yield
        except DvcException as error:
            raise InputError(in_use(error) or f"dvc.yaml: {error}") from error

    def mend(self) -> bool:
        """Puts right what killed processes have left; whether there was anything.

        DVC's list of files in use goes if it is half written, or if no process of the list lives. A dvc.lock that is
        half written gives way to the one that was there when the unfinished command began; what was made since then
        comes out of DVC's cache again.
        """
        in_use = Path(self.repo.tmp_dir) / "rwlock"
        with self.repo.lock:
            left = in_use.is_file() and not _names_the_living(in_use)
            if left:
                in_use.unlink()
            torn = self.lock.is_file() and self.kept.is_file() and not self._is_whole()
            if torn:
                self.lock.unlink()
                if before := self.kept.read_text(encoding="utf-8"):
                    write_text(self.lock, before)
        return left or torn

    def _is_whole(self) -> bool:
        try:
            return bool(Lockfile(self.repo, str(self.lock)).load())
        except DvcException:
            return False

    def recorded(self) -> str:
        """The text of dvc.lock; "" before there is one."""
        with self.repo.lock:
            return self.lock.read_text(encoding="utf-8") if self.lock.is_file() else ""

    def keep(self) -> None:
        """Keeps dvc.lock as it was before the first of the commands that were killed or failed, until one succeeds."""
        if not self.kept.is_file():
            write_text(self.kept, self.recorded())

    def tidy(self, names: Iterable[str]) -> None:
        """Puts dvc.lock in the order of `dvc repro`: the stages that were there before, then new ones as in `names`."""
        with self.repo.lock:
            if self.lock.is_file():
                lock = parse_yaml_for_update(self.lock.read_text(encoding="utf-8"), str(self.lock))
                now, before = lock.get("stages", {}), load_yaml(str(self.kept)).get("stages", {})
                order = [name for name in dict.fromkeys([*before, *names, *now]) if name in now]
                if order != list(now):
                    lock["stages"] = {name: now[name] for name in order}
                    write_text(self.lock, dumps_yaml(lock))
            self.kept.unlink()


def in_use(error: DvcException) -> str:
    """Who has the files that DVC could not lock, and what to do; "" where something else is wrong."""
    *_, cause = _causes(error)
    if not isinstance(cause, LockError):
        return ""
    users = dict.fromkeys(re.findall(r"\(PID (\d+)\): (.*)", str(cause)))
    found = " and ".join(f"`{command}` (process {process})" for process, command in users) or "another `dvc`"
    return f"asked what has changed, found {found} at work in this folder; accepted: wait until it ends, or stop it"


def _differences(state: Iterable[str | Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    """{path, or what else: how it differs} out of a stage's status."""
    found = {}
    for part in state:
        if isinstance(part, str):
            found[part] = ""
        else:
            found |= {path: how for paths in part.values() for path, how in paths.items()}
    return found


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def _always(stage: "DvcStage") -> bool:
    """Whether it counts as changed even when it has just run."""
    return stage.always_changed or stage.is_callback


def _names_the_living(in_use: Path) -> bool:
    """Whether DVC's list of files in use is whole, and names a process that lives, or none."""
    try:
        listed = json.loads(in_use.read_text(encoding="utf-8"))
        users = [*listed.get("write", {}).values(), *chain.from_iterable(listed.get("read", {}).values())]
        return not users or any(_lives(user["pid"]) for user in users)
    except (ValueError, AttributeError, TypeError, KeyError):
        return False


def _lives(process: int) -> bool:
    try:
        return Process(process).status() != STATUS_ZOMBIE  # a zombie holds nothing, but DVC waits for it
    except NoSuchProcess:
        return False

"""Comparisons with what the pipeline made at another time: files of commits, out of Git and DVC's cache."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import NoSCMError
from dvc_data.index import DataIndexError

from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.results.comparison import Comparison, changed_runs, compare
from palimpsest.results.measured import read_results
from palimpsest.workspace import Workspace

SETTINGS = "params.yaml"
REMEDY = "`dvc repro`, then `git commit dvc.lock`, put what is made here on record"


@dataclass(frozen=True)
class Experiment:
    """An experiment of `dvc exp run`."""

    name: str
    commit: str
    start: str  # the commit that it started from


@dataclass(frozen=True)
class Revision:
    """A commit or the workspace, as a folder into which its files are copied when they are asked for."""

    name: str
    files: DVCFileSystem
    folder: Path

    def copy(self, *names: str) -> None:
        """Copies files into the folder; InputError for one that is neither in Git nor in DVC's cache."""
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                self.files.get_file(name, str(self.folder / name))
            except (DvcException, DataIndexError, OSError) as error:
                found = "found it neither in Git nor in DVC's cache"
                raise InputError(f"{self.name}: asked for {name}, {found}; {REMEDY}") from error

    def copy_means(self) -> None:
        """All but the values of single pictures, which take most room; a run whose means are lost counts as absent."""
        self.copy(SETTINGS, str(Workspace().resolved("runs")))
        with _in_one_line(f"{self.name}: its results"):
            means = self.files.glob("results/*/metrics.json")
        for name in means:
            with suppress(InputError):
                self.copy(name)

    def copy_values(self, runs: list[str]) -> None:
        self.copy(*(str(Workspace().results(run).per_image) for run in runs))

    def copy_photographs(self, slots: Iterable[str]) -> None:
        """Which test pictures are cut from which photograph, where it is to be had; shards are in no remote."""
        for slot in slots:
            with suppress(InputError):
                self.copy(f"{Workspace().slot(slot).shard('test')}.npy")


def experiments(project: Path) -> dict[str, Experiment]:
    """Every experiment by its name; InputError outside a DVC project."""
    with _in_one_line("experiments"):
        listed = Repo(str(project)).experiments.ls(all_commits=True)
    return {name: Experiment(name, commit, start) for start, named in listed.items() for name, commit in named}


def last_commit(project: Path) -> str:
    """Its full hash: by the name HEAD, DVC has read an older commit of a clone."""
    with _in_one_line("the last commit"):
        return Repo(str(project)).scm.get_rev()


def is_stale(project: Path) -> bool:
    """Whether settings or code have changed since `check` last ran."""
    with _in_one_line("the state of the pipeline"):
        return bool(Repo(str(project)).status(targets=["check"]))


def compare_revisions(project: Path, before: str, after: str | None, metrics: list[str]) -> Comparison:
    """A commit against another, or the workspace (None) against it."""
    with _revision(project, before) as start, _revision(project, after) as end:
        for each in (start, end):
            each.copy_means()
        old, new = read_results(start.folder), read_results(end.folder)
        changed = changed_runs(old, new)
        for each, measured in ((start, old), (end, new)):
            each.copy_values(changed)
            each.copy_photographs({measured.results[run].slot for run in changed})
        settings = read_yaml(start.folder / SETTINGS), read_yaml(end.folder / SETTINGS)
        return compare(old, new, settings, metrics)


@contextmanager
def _revision(project: Path, commit: str | None) -> Iterator[Revision]:
    name = f"commit {commit[:7]}" if commit else "the workspace"
    with TemporaryDirectory() as folder:
        with _in_one_line(name):
            files = DVCFileSystem(str(project), rev=commit)
        yield Revision(name, files, Path(folder))


@contextmanager
def _in_one_line(asked: str) -> Iterator[None]:
    """InputError for one of DVC's own errors."""
    try:
        yield
    except NoSCMError as error:
        raise InputError(f"{asked}: asked for commits and experiments, found no Git here; accepted: a clone") from error
    except (DvcException, DataIndexError) as error:
        raise InputError(f"{asked}: found nothing that DVC can read ({error}); {REMEDY}") from error

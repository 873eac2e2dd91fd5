"""A path that a person wrote leads to one place, from the project's folder and from every copy of it."""

from pathlib import Path

import pytest

from palimpsest.config.paths import PROJECT, for_dvc, located
from palimpsest.config.runtime import read_runtime

RUNTIME = Path(__file__).parents[2] / "runtime.yaml"
COPIES = [".dvc/tmp/exps/tmp1", ".dvc/tmp/exps/standalone/tmp1", ".dvc/tmp/exps/tmp1/deep/er"]


@pytest.fixture(params=[*COPIES, None])
def copy(request, tmp_path, monkeypatch) -> Path:
    """Where a stage works: in a copy that DVC made of tmp_path/project, or in a worker's clone elsewhere."""
    where = tmp_path / "project" / request.param if request.param else tmp_path / "clone"
    where.mkdir(parents=True)
    monkeypatch.chdir(where)
    if not request.param:
        monkeypatch.setenv(PROJECT, str(tmp_path / "project"))
    return where


def test_a_relative_path_begins_at_the_folder_of_the_project(copy, tmp_path):
    assert located("../masks") == tmp_path / "project" / ".." / "masks"
    assert located("/data/masks") == Path("/data/masks")
    assert located("~/masks") == Path.home() / "masks"


def test_archives_and_resume_points_are_those_of_the_project(copy, tmp_path):
    runtime = read_runtime(RUNTIME)
    assert (runtime.store, runtime.unfinished) == (tmp_path / "project/archives", tmp_path / "project/scratch")


def test_what_dvc_reads_itself_is_to_be_written_in_full(copy, tmp_path):
    assert for_dvc("theirs") == ""  # it is nowhere
    (tmp_path / "project" / "theirs").mkdir(parents=True)
    assert f"write {tmp_path}/project/theirs, or `dvc exp run --copy-paths theirs`" in for_dvc("theirs")
    assert for_dvc(str(tmp_path / "project" / "theirs")) == ""


@pytest.mark.parametrize("folder", [".", ".dvc", ".dvc/tmp/exps", "dvc/tmp/exps/tmp1"])
def test_elsewhere_a_path_stays_as_it_is(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / folder)
    assert located("masks") == Path("masks")
    (Path("masks")).mkdir()
    assert for_dvc("masks") == ""

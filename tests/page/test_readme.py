import subprocess
from pathlib import Path

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.page.readme import refresh

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_tables_of_its_commit(tmp_path):
    """Against the commit, not the working tree: a repro on another machine may differ in a last digit."""

    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    tables = git("ls-tree", "--name-only", "HEAD", "reports/tables/").split()
    assert tables
    for name in tables:
        (tmp_path / Path(name).name).write_text(git("show", f"HEAD:{name}"))
    text = git("show", "HEAD:README.md")
    assert refresh(text, tmp_path) == text
    assert "_TIME" not in text


def test_a_table_is_put_between_its_markers(tmp_path):
    (tmp_path / "a-1.md").write_text("# Title\n\n| x |\n| --- |\n| 1 |\n\nnotes\n")
    text = "before\n<!-- table a-1 -->\nold\n<!-- end of table -->\nafter\n"
    assert (
        refresh(text, tmp_path) == "before\n<!-- table a-1 -->\n| x |\n| --- |\n| 1 |\n<!-- end of table -->\nafter\n"
    )
    with pytest.raises(InputError, match=r"README\.md asks for table b-1, found no"):
        refresh(text.replace("a-1", "b-1"), tmp_path)

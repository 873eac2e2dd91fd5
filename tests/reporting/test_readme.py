import subprocess
from pathlib import Path

import pytest

from palimpsest.config import InputError
from palimpsest.reporting.readme import refresh

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_tables_of_its_commit(tmp_path):
    """Against the commit, not the working tree: a repro on another machine may differ in a last digit."""
    tables = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD", "reports/tables/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert tables
    for name in tables:
        shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, text=True, check=True)
        (tmp_path / Path(name).name).write_text(shown.stdout)
    text = subprocess.run(
        ["git", "show", "HEAD:README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert refresh(text, tmp_path) == text


def test_a_table_is_put_between_its_markers(tmp_path):
    (tmp_path / "a-1.md").write_text("# Title\n\n| x |\n| --- |\n| 1 |\n\nnotes\n")
    text = "before\n<!-- table a-1 -->\nold\n<!-- end of table -->\nafter\n"
    assert (
        refresh(text, tmp_path) == "before\n<!-- table a-1 -->\n| x |\n| --- |\n| 1 |\n<!-- end of table -->\nafter\n"
    )
    with pytest.raises(InputError, match=r"README\.md asks for table b-1, found no"):
        refresh(text.replace("a-1", "b-1"), tmp_path)

import shutil

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.page.document import typeset

LATEX = pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "report.tex"
    path.write_text("\\documentclass{article}\n\\begin{document}\nA page, \\today.\n\\end{document}\n")
    return path


def test_without_latex_one_line_says_what_to_install_and_what_to_run_then(source, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "pdf").mkdir()
    (tmp_path / "pdf" / "report.pdf").write_bytes(b"of another day")
    said = typeset(source, tmp_path / "pdf")
    assert [path.name for path in (tmp_path / "pdf").iterdir()] == ["not-made.txt"]
    assert (tmp_path / "pdf" / "not-made.txt").read_text() == f"{said}\n" and "\n" not in said
    assert "pdflatex is not installed" in said and "apt-get install texlive-latex-recommended" in said
    assert "dvc repro --force --single-item report" in said


@LATEX
def test_the_pdf_holds_no_time_and_leaves_nothing_beside_it(source, tmp_path):
    for folder in ("one", "two"):
        typeset(source, tmp_path / folder)
    assert (tmp_path / "one" / "report.pdf").read_bytes() == (tmp_path / "two" / "report.pdf").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"report.tex", "one", "two"}


@LATEX
def test_an_error_of_latex_ends_in_its_own_words(source, tmp_path):
    source.write_text(source.read_text().replace("A page", r"\nosuchcommand"))
    with pytest.raises(InputError, match=r"report\.tex: asked pdflatex for a PDF, found an error:(?s:.*)nosuchcommand"):
        typeset(source, tmp_path / "pdf")
    assert not (tmp_path / "pdf").exists()

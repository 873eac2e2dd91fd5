"""report.pdf out of report.tex, where LaTeX is installed; equal inputs give equal bytes."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from palimpsest.config.yaml import InputError
from palimpsest.storage import replacing, write_text

PROGRAM = "pdflatex"
NO_LATEX = (
    f"report.pdf was not made: {PROGRAM} is not installed; on Debian `apt-get install texlive-latex-recommended` "
    "installs it, then `dvc repro --force --single-item report` makes the file"
)
CONSTANT = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
PASSES = 3  # the second adds the contents, which move the pages; the third has their numbers right
MADE = ["report.pdf", "not-made.txt"]  # one or the other
TAIL = 15  # lines of the log that an error shows


def typeset(source: Path, folder: Path) -> str:
    """Makes `folder`/report.pdf of a LaTeX file, or not-made.txt without LaTeX; says which, and why."""
    for name in MADE:
        (folder / name).unlink(missing_ok=True)
    if shutil.which(PROGRAM) is None:
        write_text(folder / "not-made.txt", f"{NO_LATEX}\n")
        return NO_LATEX
    with TemporaryDirectory() as made:
        for number in range(PASSES):
            _run(source, Path(made), ["-draftmode"] if number < PASSES - 1 else [])
        with replacing(folder / "report.pdf") as temporary:
            shutil.copyfile(Path(made) / f"{source.stem}.pdf", temporary)
    return f"{folder / 'report.pdf'} is made"


def _run(source: Path, made: Path, options: list[str]) -> None:
    """One pass in the folder `made`; InputError with the end of the log where LaTeX fails."""
    run = subprocess.run(
        [PROGRAM, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", *options, source.name],
        cwd=made,  # not the source's: a PDF's identity depends on the path that it is written to
        env={**os.environ, **CONSTANT, "TEXINPUTS": f"{source.parent.resolve()}{os.pathsep}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        end = "\n".join(run.stdout.decode(errors="replace").splitlines()[-TAIL:])
        raise InputError(f"{source}: asked {PROGRAM} for a PDF, found an error:\n{end}")

"""reports/tables: every table in every format, with a summary; reports/metrics.csv: every measured value."""

from pathlib import Path

from palimpsest.resolved import Resolved
from palimpsest.results.measured import read_results
from palimpsest.results.summary import summary, to_csv
from palimpsest.storage import write_json, write_text
from palimpsest.tables.formats import FORMATS
from palimpsest.tables.latex import to_tex_notes
from palimpsest.tables.matrix import matrix
from palimpsest.tables.tables import all_tables
from palimpsest.workspace import Workspace
from stages import run


def main(_: Resolved) -> None:
    measured, reports = read_results(Path()), Workspace().reports
    tables = all_tables(measured)
    for table in tables:
        for ending, rendered in FORMATS.items():
            write_text(reports.tables / f"{table.key}.{ending}", rendered(table))
        write_text(reports.tables / f"{table.key}-notes.tex", to_tex_notes(table))
    about = {**summary(measured), "tables": [table.key for table in tables], "matrix": matrix(measured)}
    write_json(reports.summary, about)
    write_text(reports.measured, to_csv(measured))


if __name__ == "__main__":
    run(main)

"""reports/tables: every table in every format, and what they rest on; reports/metrics: every measured value."""

from pathlib import Path

from palimpsest.config.yaml import stage
from palimpsest.page.commit import commit
from palimpsest.results.measured import read_results
from palimpsest.results.summary import summary, to_csv, to_tree
from palimpsest.storage import write_json, write_text
from palimpsest.tables.formats import FORMATS, to_tex_notes
from palimpsest.tables.matrix import matrix
from palimpsest.tables.tables import all_tables


def main() -> None:
    measured, code = read_results(Path()), commit(Path())
    tables, folder = all_tables(measured, code), Path("reports/tables")
    for table in tables:
        for ending, rendered in FORMATS.items():
            write_text(folder / f"{table.key}.{ending}", rendered(table))
        write_text(folder / f"{table.key}-notes.tex", to_tex_notes(table))
    about = {**summary(measured), "tables": [table.key for table in tables], "matrix": matrix(measured)}
    write_json(folder / "summary.json", about)
    write_json("reports/metrics.json", to_tree(measured))
    write_text("reports/metrics.csv", to_csv(measured))


if __name__ == "__main__":
    stage(main)

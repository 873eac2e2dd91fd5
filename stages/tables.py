"""reports/tables: every table in every format, a summary, the ledger of claims, and what is on record.

reports/metrics.csv holds every measured value.
"""

from pathlib import Path

from palimpsest.claims import formats
from palimpsest.claims.ledger import read_ledger
from palimpsest.claims.on_record import listed
from palimpsest.papers.paper import read_papers
from palimpsest.resolved import Resolved
from palimpsest.results.measured import read_results
from palimpsest.results.records import read_records
from palimpsest.results.reproduction import beside
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
    records = read_records(Path())
    shown = beside(records, measured)
    tables = all_tables(measured, shown)
    for table in tables:
        for ending, rendered in FORMATS.items():
            write_text(reports.tables / f"{table.key}.{ending}", rendered(table))
        write_text(reports.tables / f"{table.key}-notes.tex", to_tex_notes(table))
    ledgers = {each.name: read_ledger(each.measured, read_papers()) for each in records}
    ledger, kept = read_ledger(measured, read_papers()), ledgers[shown.record.name] if shown else None
    write_json(reports.claims, formats.to_tree(ledger, kept))
    write_text(reports.claims.with_suffix(".csv"), formats.to_csv(ledger, kept))
    write_text(reports.claims.with_suffix(".tex"), formats.to_tex(ledger))
    write_json(reports.records, listed(records, ledgers, shown))
    about = {**summary(measured), "tables": [table.key for table in tables], "matrix": matrix(measured)}
    write_json(reports.summary, about)
    write_text(reports.measured, to_csv(measured))


if __name__ == "__main__":
    run(main)

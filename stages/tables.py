"""reports/tables: every table in every format, and what they rest on; reports/metrics.json: every measured value."""

from pathlib import Path

from palimpsest.config import stage
from palimpsest.reporting.formats import FORMATS
from palimpsest.reporting.overview import matrix
from palimpsest.reporting.results import commit, read_results
from palimpsest.reporting.tables import aggregates, all_tables, summary
from palimpsest.storage import write_json, write_text


def main() -> None:
    measured, code = read_results(Path()), commit(Path())
    tables = all_tables(measured, code)
    for table in tables:
        for ending, rendered in FORMATS.items():
            write_text(Path("reports/tables") / f"{table.key}.{ending}", rendered(table))
    about = summary(measured)
    write_text("reports/tables/measured.csv", aggregates(measured))
    write_json(
        "reports/tables/summary.json",
        {**about, "code": code, "tables": [table.key for table in tables], "matrix": matrix(measured)},
    )
    write_json("reports/metrics.json", {**about, "runs": {run: r.holes for run, r in sorted(measured.results.items())}})


if __name__ == "__main__":
    stage(main)

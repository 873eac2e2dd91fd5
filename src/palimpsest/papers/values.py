"""Every published number as printed: values.csv."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from palimpsest.config.yaml import InputError, one_of
from palimpsest.papers.metrics import PAPERS


@dataclass(frozen=True)
class Published:
    """One published number."""

    text: str  # as printed; "" where the paper prints no number, for the reason in the note
    legible: bool  # where not, the text is a guess: never shown as a number, never compared
    note: str

    @property
    def number(self) -> float | None:
        return float(self.text) if self.legible and self.text else None


class Place(NamedTuple):
    """Where a published number is: the key columns of values.csv, in its order."""

    paper: str
    table: str
    dataset: str
    mask: str
    ratio: str
    method: str
    metric: str


Values = dict[Place, Published]


@cache
def read_values(folder: Path = PAPERS) -> Values:
    """Every published number; InputError for a number twice, or a legible one that is none."""
    path = folder / "values.csv"
    values: Values = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        wanted = [*Place._fields, "value", "legible", "note"]
        if rows.fieldnames != wanted:
            raise InputError(f"{path.name}: found columns {rows.fieldnames}; accepted: {wanted}")
        for line, row in enumerate(rows, 2):
            place = Place(*(row[field] for field in Place._fields))
            if place in values:
                raise InputError(
                    f"{path.name}, line {line}: {', '.join(filter(None, place))} is here twice; accepted: once"
                )
            one_of(row["legible"], ["yes", "no"], f"{path.name}, line {line}: legible")
            values[place] = Published(row["value"], row["legible"] == "yes", row["note"])
            try:
                _ = values[place].number
            except ValueError as error:
                raise InputError(f"{path.name}, line {line}: value {row['value']!r} is no number") from error
    return values

"""A table before it has a format: heads, rows of cells, notes, and a legend of its words and marks.

The text of a cell is final, so that no two formats can print different numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby, islice

from palimpsest.results.reproduction import MARK


@dataclass(frozen=True)
class Cell:
    """What one place of a table holds."""

    text: str
    status: str  # published, measured, record, external, difference, data, missing, illegible, none
    number: float | None = None
    mark: str = ""  # best, second, differs
    about: str = ""  # what it is and what it was measured on
    interval: str = ""  # with the count of pictures; shown on demand
    provenance: str = ""  # the part of the page that shows where the number comes from


NO_NUMBER = Cell("–", "none")

LEGEND = {  # words and marks in place of a number or beside it
    "bold": "the best number of {place}",
    "underlined": "the second best number of {place}",
    MARK: "ours now differs from the record by more than its interval",
    "not yet run": "the method has no results here yet",
    "no votes": "nobody has voted in the user study yet",
    "missing": "the run did not measure this, or could not",
    "undefined": "the metric has no value on these pictures",
    "unsteady": "the machine was busy: the passes differ too much in time for their median to mean anything",
    "does not fit": "more memory than this machine has",
    "did not fit": "more memory than the paper's machine had",
    "illegible": "published, but scrambled in the available text, so that no best is marked beside it",
    "–": "no number to print",
    "(external)": "external results, measured here like all the others",
    "(a stand-in)": "pictures other than the paper's, so that our numbers are not compared with the published ones",
}
PLACES = {"column": "its column", "block": "its column within its block", "row": "its row"}  # of the best number


@dataclass(frozen=True)
class Head:
    """The two levels of heads of a column."""

    group: str
    text: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """One table, ready to be printed."""

    key: str
    caption: str
    heads: list[Head]
    rows: list[tuple[str, list[Cell]]]
    notes: list[tuple[str, str]]  # term, text
    corner: str = "method"  # the head of the rows
    blocks: list[tuple[str, int]] = field(default_factory=list)  # head, number of its rows; none: one block without
    blocked: str = "metric"  # the head of the heads of blocks
    parts: list[int] = field(default_factory=list)  # numbers of columns that stay together on a page
    ranked: str = "column"  # of PLACES

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(head, number of columns) of the upper level."""
        return [(group, len(list(heads))) for group, heads in groupby(self.heads, lambda head: head.group)]

    @property
    def starts(self) -> list[int]:
        """The first column of each group."""
        return [0, *accumulate(count for _, count in self.groups)][:-1]

    @property
    def bodies(self) -> Iterator[tuple[str, list[tuple[str, list[Cell]]]]]:
        """Each block's head and rows; without blocks "" and all rows."""
        rows = iter(self.rows)
        for head, count in self.blocks or [("", len(self.rows))]:
            yield head, list(islice(rows, count))

    @property
    def lines(self) -> Iterator[tuple[list[str], list[Cell]]]:
        """The heads of each row, its block's first, and its cells."""
        for head, rows in self.bodies:
            for label, cells in rows:
                yield [head, label] if head else [label], cells

    @property
    def corners(self) -> list[str]:
        """The heads above the heads of the rows."""
        return [self.blocked, self.corner] if self.blocks else [self.corner]

    @property
    def legend(self) -> str:
        """What the words and marks in this table mean."""
        cells = [cell for _, row in self.rows for cell in row]
        found = {cell.text for cell in cells} | {MARKS[cell.mark] for cell in cells if cell.mark}
        heads = [self.caption, *chain.from_iterable((head.group, head.text) for head in self.heads)]
        heads += [label for label, _ in self.rows]
        found |= {word for word in LEGEND if word.startswith("(") and any(word in head for head in heads)}
        meant = [f"{word}: {meaning}" for word, meaning in legend(PLACES[self.ranked]).items() if word in found]
        return f"{'; '.join(meant)}." if meant else ""

    @property
    def explained(self) -> list[tuple[str, str]]:
        """The notes, with the legend."""
        return [*self.notes, *([("Legend", self.legend)] if self.legend else [])]


MARKS = {"best": "bold", "second": "underlined", "differs": MARK}


def legend(place: str = "its column, or of its row where metrics are rows") -> dict[str, str]:
    """{word or mark: what it means}; without a place, for all tables together."""
    return {word: meaning.format(place=place) for word, meaning in LEGEND.items()}

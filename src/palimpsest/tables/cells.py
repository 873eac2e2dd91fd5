"""The cells of a comparison under one of its conditions: published, measured, and the difference of the two."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from palimpsest.config.words import number_of
from palimpsest.papers.tables import Column, Condition, Row
from palimpsest.results.measured import Pictures, Result
from palimpsest.results.names import holes_in_words
from palimpsest.results.reproduction import MARK
from palimpsest.tables.context import Context
from palimpsest.tables.model import NO_NUMBER, Cell


@dataclass(frozen=True)
class Cells:
    """What a table says of its rows under a condition."""

    context: Context
    condition: Condition

    @cached_property
    def pictures(self) -> Pictures:
        return self.context.measured.pictures(self.condition.slot)

    @cached_property
    def same(self) -> bool:
        """Whether ours are measured on the paper's data."""
        return self.pictures.dataset == self.condition.own

    @property
    def published_on(self) -> str:
        """The head of the published columns."""
        return f"published on {self.condition.label}"

    @property
    def ours_on(self) -> str:
        """The head of our columns."""
        return f"ours on {self.pictures.dataset}"

    @property
    def holes(self) -> str:
        """What is measured, in words."""
        return holes_in_words(self.condition.measured)

    def run(self, row: Row) -> str | None:
        """The run of a row; none where it was measured on other pictures."""
        run = row.run_on(self.condition)
        result = self.context.measured.results.get(run)
        return None if result and result.slot != self.condition.slot else run

    def published(self, metric: str | None, row: Row) -> Cell:
        at = self.condition
        place = (at.dataset, at.mask, at.ratio)
        return self.context.published(row.method, metric, place, f"published, measured on {at.label}")

    def measured(self, metric: str, row: Row) -> Cell:
        measured, kind = self.context.measured, self.condition.measured
        if (run := self.run(row)) is None:
            return Cell("–", "none", about=f"no run on {self.pictures.dataset}")
        if run not in measured.results:
            return self.context.not_yet_run(run)
        if (found := measured.aggregate(run, kind, metric)) is None:
            return Cell("missing", "missing", about=f"run {run}: {measured.why_missing(run, metric)}")
        if math.isnan(found.mean):
            return Cell("undefined", "missing", about=f"run {run} has no number here")
        result, source = measured.results[run], measured.runs[run].source
        weights = f" ({result.source})" if result.source else ""
        who = f"external results {run} ({source})" if source else f"run {run}{weights}"
        text, interval = self._printed(result, metric)
        return Cell(
            text,
            "external" if source else "measured",
            found.mean,
            about=f"{who} on {self.pictures.dataset}, {self.holes}, {_counted(result, kind, metric)}",
            interval=interval,
            provenance=f"provenance/{run}/{kind}/{metric}",
        )

    def _printed(self, result: Result, metric: str) -> tuple[str, str]:
        """A mean with its spread over seeds, and its interval with the counts of both."""
        explained, kind = self.context.metrics[metric], self.condition.measured
        found, deviation = result.aggregate(kind, metric), result.deviation(kind, metric)
        spread = "" if deviation is None else f" ± {explained.printed(deviation)}"
        bounds = "" if found.low is None else f"[{explained.printed(found.low)}, {explained.printed(found.high)}]"
        return f"{explained.printed(found.mean)}{spread}", f"{bounds} n = {found.count}{_over_seeds(result)}".strip()

    @property
    def on_record(self) -> str:
        """The head of the columns of a record."""
        record, slot = self.context.beside.record, self.context.beside.record.about.slots.get(self.condition.slot)
        profile = "" if self.context.beside.comparable else f", profile {record.profile}"
        data = f", on {slot.dataset}" if slot and slot.dataset != self.pictures.dataset else ""
        return f"on record: {record.name}{profile}{data}"

    def recorded(self, metric: str, row: Row) -> Cell:
        """What a record holds, marked where ours now differs from it."""
        beside, at, run = self.context.beside, self.condition, row.run_on(self.condition)
        if (judged := beside.of(run, at.slot, at.measured, metric)) is None:
            return Cell("–", "none", about=f"not on record: {run or 'no run'}")
        result = beside.record.measured.results[run]
        text, interval = self._printed(result, metric)
        return Cell(
            f"{text}{f' {MARK}' * judged.differs}",
            "record",
            judged.found.mean,
            mark="differs" * judged.differs,
            about=f"run {run} on record: {beside.record.title}, {_counted(result, at.measured, metric)}; {judged.why}",
            interval=interval,
        )

    def difference(self, column: Column, row: Row) -> Cell:
        """Ours less the published number; no number where the two do not measure the same."""
        if not column.compares:
            return replace(NO_NUMBER, about=f"not compared: {column.reason}")
        ours, theirs = self.measured(column.metric, row), self.published(column.published, row)
        if ours.number is None:
            return ours
        if theirs.number is None:
            return replace(theirs, status="none")
        difference = ours.number - theirs.number
        digits = self.context.metrics[column.metric].digits
        text = f"{difference:+.{digits}f}" if math.isfinite(difference) else "∞"
        about = f"{ours.about}, less the published {theirs.text}"
        return Cell(text, "difference", difference, about=about, provenance=ours.provenance)


def _counted(result: Result, hole: str, metric: str) -> str:
    found = result.aggregate(hole, metric)
    kind = "mean of" if found.low is not None else "one number for a set of"
    undefined = f", {found.undefined} more without a value" if found.undefined else ""
    return f"{kind} {number_of(found.count, 'picture')}{undefined}{_over_seeds(result)}"


def _over_seeds(result: Result) -> str:
    return f", {len(result.seeds)} seeds" if len(result.seeds) > 1 else ""

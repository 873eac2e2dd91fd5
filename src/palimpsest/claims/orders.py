"""Every claim of a paper: the orders that its tables print, then those of its text."""

from collections.abc import Iterator
from dataclasses import dataclass

from palimpsest.claims.claim import Claim, CostClaim, Pair, PictureClaim
from palimpsest.papers.claims import Cheaper, NoGain, OfPictures, Steadier
from palimpsest.papers.metrics import REGIONS, Metric, Metrics
from palimpsest.papers.networks import ClaimTable, TimingTable
from palimpsest.papers.paper import Paper
from palimpsest.papers.tables import Column, Comparison, Condition, Row
from palimpsest.papers.values import Place, Values
from palimpsest.results.names import holes_in_words
from palimpsest.tables.context import DEVICES

SIGNS = {"higher": 1, "lower": -1}
QUANTITIES = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "seconds": "seconds a picture",
    "peak_mib": "peak memory",
}


@dataclass(frozen=True)
class Reader:
    """A paper with what its claims are read from."""

    name: str
    paper: Paper
    values: Values
    metrics: Metrics

    def claims(self) -> Iterator[Claim]:
        for key, layout in self.paper.tables.items():
            if isinstance(layout, Comparison):
                yield from self.orders(key, layout)
        for key, spoken in self.paper.claims.items():
            yield self.cost(key, spoken) if isinstance(spoken, Cheaper) else self.of_pictures(key, spoken)

    def orders(self, key: str, layout: Comparison) -> Iterator[PictureClaim]:
        """Of each metric with a better side, under each condition: how a method of the paper compares with each row."""
        for condition in layout.data:
            for name, metric in layout.published_metrics(self.metrics).items():
                if metric.direction != "none" and (tested := column_for(layout, name)):
                    for pair in layout_pairs(layout, condition):
                        yield from self._order(key, layout, condition, name, metric, *tested, *pair)

    def _order(
        self, key: str, layout: Comparison, at: Condition, name: str, metric: Metric,
        group: str, column: Column, one: Row, other: Row,
    ) -> Iterator[PictureClaim]:  # fmt: skip
        """The claim that the better of two rows is better; none where they tie or cannot be read."""
        numbers = [self._printed(key, layout, at, row.method, name) for row in (one, other)]
        if None in numbers or numbers[0] == numbers[1]:
            return
        sign = SIGNS[metric.direction]
        gain = sign * (numbers[0] - numbers[1])
        better, worse = (one, other) if gain > 0 else (other, one)
        ours = self.metrics[column.metric]
        place = [at.dataset, at.mask, at.ratio, name, better.method, worse.method]
        yield PictureClaim(
            id="/".join([self.name, key, *(part.replace("/", "-") for part in place if part)]),
            paper=self.name,
            table=key,
            place=f"Table {key}",
            text=f"{better.label} is better than {worse.label.rstrip('.')}.",
            measure=f"{metric.head} on {at.label}, {holes_in_words(at.measured)}",
            tested=f"by {ours.label}, {group}" if ours.label != metric.label or not column.compares else "",
            slot=at.slot,
            metric=column.metric,
            better=sign,
            holes={at.measured: 1},
            pairs=[Pair(better.run_on(at), worse.run_on(at), abs(gain))],
            own=at.own,
            unlike="" if column.compares else column.reason,
        )

    def of_pictures(self, key: str, spoken: OfPictures) -> PictureClaim:
        metric = self.metrics[spoken.metric]
        sign = SIGNS[spoken.direction or metric.direction] * (-1 if isinstance(spoken, NoGain) else 1)
        holes = dict(zip(spoken.kinds, (-1, 1) if isinstance(spoken, Steadier) else (1,), strict=True))
        pairs = [(run, against) for run in spoken.run for against in spoken.against]
        words = [holes_in_words(kind) for kind in holes]
        where = f"from {' to '.join(words)}" if len(words) > 1 else words[0]
        return PictureClaim(
            **self._about(key, spoken),
            measure=f"{metric.head} of the {REGIONS[metric.of]}, {where}",
            slot=spoken.slot,
            metric=spoken.metric,
            better=sign,
            holes=holes,
            pairs=[Pair(*pair, self._gain(spoken, sign, holes, *pair)) for pair in pairs],
            own=self._own(spoken),
            margin=spoken.margin if isinstance(spoken, NoGain) else 0.0,
            unlike=self._unlike(spoken),
        )

    def _unlike(self, spoken: OfPictures) -> str:
        """Why its table does not compare the metric of a claim; "" where it does, or prints no such metric."""
        layout = self.paper.tables.get(spoken.table)
        columns = [column for _, column in layout.columns] if isinstance(layout, Comparison) else []
        asked = [column for column in columns if column.metric == spoken.metric and column.published]
        return next((column.reason for column in asked if not column.compares), "")

    def _gain(self, spoken: OfPictures, sign: int, holes: dict[str, int], run: str, against: str) -> float | None:
        """The published gain of one run over another in the table that a claim of the text speaks of."""
        layout, gain = self.paper.tables.get(spoken.table), 0.0
        if not isinstance(layout, Comparison):
            return None
        name = next((column.published for _, column in layout.columns if column.metric == spoken.metric), None)
        for hole, weight in holes.items():
            at = next(condition for condition in layout.data if condition.measured == hole)
            methods = {row.run_on(at): row.method for row in layout.rows}
            numbers = [self._printed(spoken.table, layout, at, methods.get(each), name) for each in (run, against)]
            if None in numbers:
                return None
            gain += weight * sign * (numbers[0] - numbers[1])
        return gain

    def _own(self, spoken: OfPictures) -> str | None:
        """The paper's data in the slot of a claim: that of its table, or else of the first table that has the slot."""
        tables = [self.paper.tables.get(spoken.table), *self.paper.tables.values()]
        found = [
            at.own for table in tables if isinstance(table, Comparison) for at in table.data if at.slot == spoken.slot
        ]
        return next(iter(found), None)

    def _printed(
        self, key: str, layout: Comparison, at: Condition, method: str | None, metric: str | None
    ) -> float | None:
        place = Place(self.name, layout.source(key), at.dataset, at.mask, at.ratio, method, metric)
        return self.values[place].number if place in self.values else None

    def cost(self, key: str, spoken: Cheaper) -> CostClaim:
        where = f" on a {DEVICES[spoken.device]}" if spoken.device else ""
        size = f", {spoken.size} px" if spoken.size else ""
        measure = f"{QUANTITIES[spoken.quantity]}{where}{size}"
        return CostClaim(**self._about(key, spoken), measure=measure, spoken=spoken, published=self._saved(spoken))

    def _saved(self, spoken: Cheaper) -> float | None:
        """How many per cent less the paper prints."""
        layout = self.paper.tables.get(spoken.table)

        def printed(method: str | None) -> float | None:
            found = self.values.get(Place(self.name, layout.source(spoken.table), "", "", "", method, spoken.published))
            return found.number if found else None

        if isinstance(layout, ClaimTable):
            return printed(layout.method)
        if not isinstance(layout, TimingTable):
            return None
        methods = {row.run: row.method for row in layout.rows}
        ours, other = (printed(methods.get(run)) for run in (spoken.run, spoken.against))
        return None if ours is None or other is None else 100 * (1 - ours / other)

    def _about(self, key: str, spoken: Cheaper | OfPictures) -> dict[str, str]:
        """What every claim of the text has."""
        about = {"id": f"{self.name}/text/{key}", "paper": self.name, "table": ""}
        return {**about, "place": spoken.place, "text": spoken.text, "tested": spoken.tested}


def column_for(layout: Comparison, published: str) -> tuple[str, Column] | None:
    """The measured column that tests a published metric, with its group: one that compares where there is one."""
    alike = [(group, column) for group, column in layout.columns if column.published == published]
    return max(alike, key=lambda each: each[1].compares, default=None)


def layout_pairs(layout: Comparison, at: Condition) -> Iterator[tuple[Row, Row]]:
    """Every pair of published rows of which at least one is the paper's own, each pair once."""
    rows = [row for row in layout.rows if row.method and row.run_on(at)]
    for place, one in enumerate(rows):
        for other in rows[place + 1 :]:
            if one.method in layout.own or other.method in layout.own:
                yield one, other

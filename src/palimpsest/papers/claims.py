"""What a paper's text claims, and how it is tested; what its tables claim is read from them."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from palimpsest.config.yaml import InputError, Settings, one_of
from palimpsest.papers.metrics import Metrics
from palimpsest.papers.tables import Layout, MethodTable

Runs = Annotated[list[str], Field(min_length=1)]


class Spoken(Settings):
    """A claim of the text."""

    text: str  # short and plain
    place: str  # in the paper
    tested: str  # how, and why that stands for the claim
    table: str | None  # whose published numbers it speaks of; none where the paper prints none

    @property
    def timed_runs(self) -> list[str]:
        """The runs whose speed, memory or size it compares."""
        return []

    def check(self, tables: dict[str, Layout], metrics: Metrics, at: str) -> None:
        """InputError where it names a table or metric that is not known."""
        one_of(self.table, [*tables, None], f"{at}.table")


class OfPictures(Spoken):
    """A claim about the results of runs; that all of `run` are better than all of `against`."""

    slot: str
    metric: str
    run: Runs
    against: Runs
    direction: Literal["lower", "higher"] | None  # which the claim calls better; none where the metric itself says it

    @property
    def kinds(self) -> list[str]:
        """The kinds of hole."""
        raise NotImplementedError

    def check(self, tables: dict[str, Layout], metrics: Metrics, at: str) -> None:
        super().check(tables, metrics, at)
        one_of(self.metric, metrics, f"{at}.metric")
        if metrics[self.metric].direction == "none" and self.direction is None:
            raise InputError(
                f"{at}.direction: found none for {self.metric}, which has no better side; accepted: lower, higher"
            )
        if isinstance(table := tables.get(self.table), MethodTable):
            known = f"as in Table {self.table}"
            one_of(self.slot, sorted({condition.slot for condition in table.data}), f"{at}.slot, {known}")
            found = {condition.measured for condition in table.data}
            for kind in self.kinds:
                one_of(kind, sorted(found), f"{at}: hole, {known}")


class Better(OfPictures):
    """That runs are better than others."""

    kind: Literal["better"]
    hole: str

    @property
    def kinds(self) -> list[str]:
        return [self.hole]


class NoGain(OfPictures):
    """That runs are not noticeably better than others."""

    kind: Literal["no gain"]
    hole: str
    margin: PositiveFloat  # the least gain that counts, in the metric's unit

    @property
    def kinds(self) -> list[str]:
        return [self.hole]


class Steadier(OfPictures):
    """That runs lose less than others from small to large holes."""

    kind: Literal["steadier"]
    holes: Annotated[list[str], Field(min_length=2, max_length=2)]  # small, large

    @property
    def kinds(self) -> list[str]:
        return self.holes


class Cheaper(Spoken):
    """That one run costs less than another, or no more."""

    kind: Literal["less", "no more"]
    quantity: Literal["parameters", "multiply_adds", "seconds", "peak_mib"]
    device: Literal["cpu", "cuda"] | None  # none for what is counted
    size: PositiveInt | None  # px; none for parameters
    run: str
    against: str
    published: str | None  # the metric in values.csv: of both, or how many per cent less; none where it is not printed

    @property
    def timed_runs(self) -> list[str]:
        return [self.run, self.against]

    def check(self, tables: dict[str, Layout], metrics: Metrics, at: str) -> None:
        super().check(tables, metrics, at)
        measured = self.quantity in ("seconds", "peak_mib")
        if measured != (self.device is not None) or (self.quantity == "parameters") != (self.size is None):
            raise InputError(
                f"{at}: found {self.quantity} with device {self.device} and size {self.size}; accepted: parameters "
                "with neither, multiply_adds with a size, seconds and peak_mib with both"
            )


Claim = Annotated[Better | NoGain | Steadier | Cheaper, Field(discriminator="kind")]


def check_claims(claims: dict[str, Spoken], tables: dict[str, Layout], metrics: Metrics, at: str) -> None:
    """InputError for a claim that names what is not known."""
    for key, claim in claims.items():
        claim.check(tables, metrics, f"{at}: claims.{key}")

"""One claim of a paper, ready to be tested."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from palimpsest.papers.claims import Cheaper


@dataclass(frozen=True)
class Pair:
    """Two runs of which the first is claimed to be better."""

    run: str
    against: str
    published: float | None = None  # by how much, positive as claimed; none where no number is printed


@dataclass(frozen=True)
class Claim:
    """What every claim has."""

    id: str  # paper/table/… of an order, paper/text/key of the text
    paper: str
    table: str  # its key where the order is one that a table prints; "" for the text's
    place: str  # in the paper
    text: str
    measure: str  # what is compared, in words
    tested: str  # how, where it is not the published number

    @property
    def compared(self) -> Hashable:
        """What is compared: the same of all claims that the same numbers test."""
        raise NotImplementedError


@dataclass(frozen=True)
class PictureClaim(Claim):
    """That one run is better than another on pictures, or of several pairs every one."""

    slot: str
    metric: str
    better: int  # 1 where more is better, -1 where less is
    holes: dict[str, int]  # {kind: its sign}: one kind, or what changes from small (-1) to large (1)
    pairs: list[Pair]
    own: str | None = None  # the name of the paper's data among our datasets; none where it has none
    margin: float = 0.0  # of a claim of no gain: the loss that still counts as none
    unlike: str = ""  # why ours does not measure what the paper measured

    @property
    def compared(self) -> Hashable:
        runs = frozenset(frozenset((pair.run, pair.against)) for pair in self.pairs)
        return runs, self.metric, frozenset(self.holes.items()), self.slot


@dataclass(frozen=True)
class CostClaim(Claim):
    """That one run costs less than another, or no more."""

    spoken: Cheaper
    published: float | None = field(default=None)  # % less

    @property
    def compared(self) -> Hashable:
        spoken = self.spoken
        return frozenset((spoken.run, spoken.against)), spoken.quantity, spoken.device, spoken.size

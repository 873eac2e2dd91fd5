"""A record beside what is measured now: whether the two differ by more than chance explains."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from palimpsest.data.shards import Shard
from palimpsest.metrics.aggregate import Aggregate
from palimpsest.metrics.differences import Difference, of_pictures
from palimpsest.results.measured import Measured
from palimpsest.results.records import Record, kept_as, short
from palimpsest.workspace import Workspace

MARK = "≠"
MEANING = (
    f"{MARK} marks a number on record from which ours now differs by more than its interval. Where the test pictures "
    "are the same, that is the 95 % interval of the difference, picture by picture, over photographs and seeds; where "
    "there is none, as with fewer than four photographs, the 95 % interval on record. With one seed, training again on "
    "another machine may move a number further than this."
)


@dataclass(frozen=True)
class Judged:
    """What is said of a number on record beside ours now."""

    found: Aggregate  # on record
    differs: bool
    why: str  # by which interval, or why it is not judged


@dataclass(frozen=True)
class Beside:
    """A record, and what is measured now."""

    record: Record
    now: Measured

    @property
    def comparable(self) -> bool:
        """Numbers of different profiles are not compared."""
        return self.record.profile == self.now.profile

    @property
    def note(self) -> str:
        """What a reader must know of its numbers."""
        commits = ", ".join(commit[:12] for commit in self.record.commits)
        about = f"{self.record.title}; profile {self.record.profile}, commit {commits}"
        other = f"ours now are of profile {self.now.profile}, so that the two are not compared"
        return f"{about}. {MEANING if self.comparable else f'{other[0].upper()}{other[1:]}.'}"

    def of(self, run: str | None, slot: str, hole: str, metric: str) -> Judged | None:
        """A number on record; none where there is none."""
        kept = self.record.measured
        if run not in kept.results or kept.results[run].slot != slot:
            return None
        if (found := kept.aggregate(run, hole, metric)) is None:
            return None
        return Judged(found, *self._judged(run, slot, hole, metric, found))

    def _judged(self, run: str, slot: str, hole: str, metric: str, found: Aggregate) -> tuple[bool, str]:
        if not self.comparable:
            return False, f"not compared: profile {self.record.profile}"
        result = self.now.results.get(run)
        ours = result.aggregate(hole, metric) if result and result.slot == slot else None
        if ours is None:
            return False, "not measured now"
        paired = self._paired(run, slot, hole, metric)
        if paired and paired.low is not None:
            return bool(paired.sign), f"the paired interval of the difference is [{paired.low:.3g}, {paired.high:.3g}]"
        if found.low is None:
            return False, "not compared: it has no interval"
        mean, low, high = short([ours.mean, found.low, found.high])
        inside = low <= mean <= high or (math.isnan(mean) and math.isnan(found.mean))
        return not inside, f"the interval on record is [{found.low:.6g}, {found.high:.6g}]"

    def _paired(self, run: str, slot: str, hole: str, metric: str) -> Difference | None:
        """Of ours now less those on record; none without single values of the same pictures."""
        kept = self.record.measured.values(run).get(hole, {})
        if metric not in kept or not self._same_pictures[slot]:
            return None
        ours = kept_as(self.now.values(run)[hole][metric])
        return of_pictures(kept[metric], ours, self.now.photographs(slot))

    @cached_property
    def _same_pictures(self) -> dict[str, bool]:
        """Of each slot that is measured now and on record."""
        kept = {slot: each.sha256 for slot, each in self.record.about.slots.items() if slot in self.now.slots}
        return {slot: pictures_hash(self.now.root, slot) == sha256 for slot, sha256 in kept.items()}


def pictures_hash(root: Path, slot: str) -> str:
    """Of a slot's test pictures."""
    return Shard(Workspace(root).slot(slot).shard("test")).fingerprint


def beside(records: list[Record], measured: Measured) -> Beside | None:
    """The record that is shown beside what is measured now.

    One of the same profile where there is one; then the largest scale, then the latest.
    """
    return max(
        (Beside(record, measured) for record in records),
        key=lambda each: (each.comparable, each.record.scale, each.record.about.date),
        default=None,
    )

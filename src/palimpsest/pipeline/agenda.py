"""What can run next and what is most urgent; and how long all of it takes on so many workers."""

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from palimpsest.pipeline.graph import Stage, followers

Stages = Mapping[str, Stage]
Seconds = Mapping[str, float]


def urgency(stages: Stages, seconds: Seconds) -> dict[str, float]:
    """{name: seconds from the start of a stage to the end of the longest chain of stages after it}."""
    longest = dict.fromkeys(stages, 0.0)
    for name, stage in reversed(stages.items()):
        longest[name] += seconds[name]
        for before in stage.after & stages.keys():
            longest[before] = max(longest[before], longest[name])
    return longest


def critical_path(stages: Stages, seconds: Seconds) -> list[str]:
    """The longest chain of stages."""
    left = urgency(stages, seconds)
    path, ahead = [], set(stages)
    while ahead:
        path.append(max(ahead, key=left.__getitem__))
        ahead = {name for name, stage in stages.items() if path[-1] in stage.after}
    return path


class Agenda:
    """The stages that wait or run; one that is neither is done, or is lost because it or one before it failed."""

    def __init__(self, stages: Stages, due: Collection[str], seconds: Seconds):
        longest = urgency(stages, seconds)
        self.stages = stages
        self.waiting = sorted((name for name in stages if name in due), key=longest.__getitem__, reverse=True)
        self.running: set[str] = set()
        self.lost: set[str] = set()

    def ready(self) -> list[str]:
        """What can start now beside what runs, the most urgent first; a stage that runs alone starts last of all."""
        if any(self.stages[name].needs.alone for name in self.running):
            return []
        open_ = {*self.waiting, *self.running, *self.lost}
        able = [name for name in self.waiting if not self.stages[name].after & open_]
        together = [name for name in able if not self.stages[name].needs.alone]
        return together or ([] if self.running else able[:1])

    def start(self, name: str) -> None:
        self.waiting.remove(name)
        self.running.add(name)

    def skip(self, name: str) -> None:
        """It need not run."""
        self.waiting.remove(name)

    def end(self, name: str) -> None:
        self.running.remove(name)

    def fail(self, name: str) -> None:
        """Gives it up, with all that depends on it."""
        self.running.remove(name)
        self.lost |= followers(self.stages, {name})
        self.waiting = [each for each in self.waiting if each not in self.lost]


@dataclass(frozen=True)
class Forecast:
    """A simulated run."""

    workers: int
    seconds: float  # from start to end
    busy: float  # share of the workers' time that they work


def forecast(stages: Stages, due: Collection[str], seconds: Seconds, workers: int) -> Forecast:
    """The time that `due` take on so many equal workers when each free one takes up the most urgent stage."""
    agenda = Agenda(stages, due, seconds)
    now, ends = 0.0, []
    while agenda.waiting or agenda.running:
        for name in agenda.ready()[: workers - len(ends)]:
            agenda.start(name)
            heapq.heappush(ends, (now + seconds[name], name))
        now, name = heapq.heappop(ends)
        agenda.end(name)
    work = sum(seconds[name] for name in due)
    return Forecast(workers, now, work / (workers * now) if now else 1.0)

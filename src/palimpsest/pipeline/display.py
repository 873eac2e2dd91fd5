"""How far a reproduction is: a line for each running stage and a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from palimpsest.pipeline.worker import Outcome

BETWEEN = 30.0  # s between two plain lines about a stage that goes on


def in_words(seconds: float) -> str:
    """A time in the two largest units: 8 s, 3 min 20 s, 5 h 10 min."""
    seconds = round(seconds)
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


class Display:
    """Shows the stages that run, what each printed last, and the time left."""

    def __init__(self, total: int, left: Callable[[], float]):
        self.total, self.left = total, left  # left() forecasts the seconds to the end
        self.done = 0
        self.began: dict[str, float] = {}
        self.said: dict[str, tuple[float, str]] = {}  # when a line was last printed here, and the stage's last line
        self.console = Console(stderr=True)
        self.live = Live(get_renderable=self.drawn, console=self.console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self.live.stop()
        if kind and issubclass(kind, KeyboardInterrupt):
            self.say_where()

    def elapsed(self, name: str) -> float:
        """Seconds since a stage began; 0 before that."""
        return time.monotonic() - self.began.get(name, time.monotonic())

    def skip(self, count: int) -> None:
        """So many stages need not run after all."""
        self.total -= count

    def start(self, name: str) -> None:
        self.began[name] = time.monotonic()
        self.said[name] = (self.began[name], "")

    def line(self, name: str, line: str) -> None:
        """What a stage has printed; a word that comes after its end is dropped."""
        if name in self.began:
            when, _ = self.said[name]
            if not self.console.is_terminal and time.monotonic() - when > BETWEEN:
                self.print(f"{name}: {line}")
                when = time.monotonic()
            self.said[name] = (when, line)

    def end(self, outcome: Outcome) -> None:
        self.began.pop(outcome.name, None)
        self.done += 1
        how = in_words(outcome.seconds) if outcome.ran else "as in the cache"
        left = f"; about {in_words(self.left())} left" if self.done < self.total else ""
        self.print(
            f"{self.done}/{self.total} {outcome.name}: {f'error: {outcome.error}' if outcome.error else how + left}"
        )

    def say_where(self) -> None:
        """Says at once that the stages are asked to end, which takes seconds, and where each of them is."""
        for name in self.began:
            self.print(f"{name}: {self.said[name][1] or 'has just begun'}")
        self.print("stopping; trainings first write where they are")

    def print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def drawn(self) -> Group:
        stages = Table.grid(padding=(0, 2))
        stages.add_column(no_wrap=True)
        stages.add_column(justify="right", no_wrap=True)
        stages.add_column(no_wrap=True, overflow="ellipsis")
        for name in list(self.began):
            stages.add_row(name, in_words(self.elapsed(name)), Text(self.said[name][1]))
        overall = Table.grid(padding=(0, 2))
        bar = ProgressBar(self.total, self.done, width=40)
        overall.add_row(bar, f"{self.done}/{self.total} stages", f"about {in_words(self.left())} left")
        return Group(stages, overall)

"""Ends commands and stages with one clear line when somebody stops them.

It imports nothing but the standard library, so that it can watch before what takes seconds to import.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what `kill` sends
INTACT = "nothing was left half written"


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; a note says where it found the work."""

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number

    def __str__(self) -> str:
        return "; ".join(getattr(self, "__notes__", [])) or f"stopped; {INTACT}"


def watch() -> None:
    """From here on Ctrl-C and SIGTERM raise Stopped, and end the process in one line wherever it is."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    sys.excepthook = _end


class Postponed:
    """A block in which the first Ctrl-C or SIGTERM only sets `number`, so that a step can end; a second one stops."""

    def __init__(self, notice: str):
        """`notice` is printed when the first one comes."""
        self.notice, self.number, self.process = notice, 0, os.getpid()

    def __enter__(self) -> Self:
        self.before = self.watch()
        return self

    def watch(self, *_) -> dict[signal.Signals, object]:
        """Takes the place of other handlers, which it returns: here, or in a worker that has set its own."""
        return {number: signal.signal(number, self._postpone) for number in SIGNALS}

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.number and kind is None:
            raise Stopped(self.number)

    def _postpone(self, number: int, _: FrameType | None) -> None:
        if self.number:
            raise Stopped(number)
        self.number = number
        if os.getpid() == self.process:  # and not one that it has forked
            with suppress(OSError):
                os.write(2, f"\n{self.notice}\n".encode())  # the signal may have come amid a `print`


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _end(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """What Python does with an exception that nobody handles, such as one that comes during an import."""
    if not isinstance(error, Stopped):
        sys.__excepthook__(kind, error, trace)
        return
    print(error, file=sys.stderr, flush=True)
    os._exit(error.status)

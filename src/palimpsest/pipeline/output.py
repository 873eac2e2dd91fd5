"""What a process and those that it starts print, line by line, to whoever listens."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

KEPT = 20  # last lines
INTERVAL = 0.5  # s between two lines that are passed on
END = "\0"


class Output:
    """Takes the place of this process's standard output and error."""

    def __init__(self, passed_on: Callable[[str, str], None]):
        """`passed_on(name, line)` is called in a thread."""
        self.passed_on = passed_on
        self.name, self.log, self.lines = "", None, deque(maxlen=KEPT)
        self.ended = Event()
        source, sink = os.pipe()
        for stream in (1, 2):
            os.dup2(sink, stream)
        os.close(sink)
        Thread(target=self._read, args=(source,), daemon=True).start()

    @contextmanager
    def of(self, name: str, log: Path) -> Iterator[deque[str]]:
        """Yields the last lines of what is printed in the block, all of which goes to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self.lines.clear()
        self.ended.clear()
        with log.open("w", encoding="utf-8") as self.log:
            self.name = name
            try:
                yield self.lines
            finally:
                os.write(1, f"\n{END}\n".encode())
                self.ended.wait()
                self.name = ""

    def _read(self, source: int) -> None:
        said = 0.0
        with os.fdopen(source, encoding="utf-8", errors="replace") as printed:
            for line in map(str.rstrip, printed):
                if line == END:
                    self.ended.set()
                elif line and self.name:
                    self.lines.append(line)
                    with suppress(OSError):  # a full disk is the stage's to report
                        print(line, file=self.log, flush=True)
                    if time.monotonic() - said > INTERVAL:
                        self.passed_on(self.name, line)
                        said = time.monotonic()

"""Ends commands and stages with one clear line when something is wrong or somebody stops them."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from palimpsest.config.yaml import InputError


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; a note says where it found the work."""

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number

    def __str__(self) -> str:
        return "; ".join(getattr(self, "__notes__", [])) or "stopped; nothing was left half written"


def watch() -> None:
    """From here on Ctrl-C and SIGTERM raise Stopped, and end the process in one line wherever it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    sys.excepthook = _end


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


def _end(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """What Python does with an exception that nobody handles, such as one that comes during an import."""
    if not isinstance(error, Stopped):
        sys.__excepthook__(kind, error, trace)
        return
    print(error, file=sys.stderr, flush=True)
    os._exit(error.status)


def in_one_line(main: Callable[[], None]) -> None:
    """Calls `main`; one clear line and exit status 1 for bad input or a full disk, 130 for Ctrl-C, 143 for SIGTERM."""
    watch()
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "no room to write" if full else "cannot read or write"
        sys.exit(f"error: {what} {error.filename or 'a file'}: {error.strerror}; earlier files are intact")
    except Stopped as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.status)

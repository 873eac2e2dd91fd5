"""Ends commands and stages with one clear line when something is wrong or somebody stops them."""

import errno
import sys
from collections.abc import Callable

from palimpsest.config.stopping import INTACT, Stopped, watch
from palimpsest.config.yaml import InputError


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
        sys.exit(f"error: {what} {error.filename or 'a file'}: {error.strerror}; {INTACT}")
    except Stopped as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.status)

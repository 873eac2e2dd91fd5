"""Ends commands and stages with one clear line when something is wrong or somebody stops them."""

import errno
import sys
from collections.abc import Callable

from palimpsest.config.yaml import InputError


def in_one_line(main: Callable[[], None]) -> None:
    """Calls `main`; one clear line and exit status 1 for bad input or a full disk, and 130 for Ctrl-C."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "no room to write" if full else "cannot read or write"
        sys.exit(f"error: {what} {error.filename or 'a file'}: {error.strerror}; earlier files are intact")
    except KeyboardInterrupt:
        print("stopped; what was made is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)

"""How many files and connections the system lets this process have open, and whether they do."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from batch.errors import CannotWrite

OWN_FILES: Final = 32  # beside the connections: logs, inputs, the event loop's
LEAST: Final = OWN_FILES + 2  # and both ends of one connection


def open_files(wanted: int) -> int:
    """Return how many may be open, after asking the system for as many as are wanted."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if allowed != endless and allowed < wanted:
        more = wanted if most == endless else min(wanted, most)
        with contextlib.suppress(ValueError, OSError):  # some systems have a limit beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, most))
        allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if allowed == endless else allowed


def require_open_files() -> None:
    """Raise ``CannotWrite`` if there may be so few that not even an event loop is sure to begin."""
    allowed = open_files(LEAST)
    if allowed < LEAST:
        raise CannotWrite(
            f"the system lets a process have {allowed} files and connections open, and this one "
            f"needs {LEAST}, better 1,024. Nothing was sent. Allow more: ulimit -n 1024, or for a "
            "service LimitNOFILE=1024"
        )

"""Who holds a run, and whether that process is stopped, as by Ctrl-Z, and waits to be woken.

Only Linux tells, in ``/proc``, and of others' processes not everything. Where it is not certain,
nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import re

from batch.files import Files, read_whole


def holder(files: Files, lock: str) -> str:
    """Return who holds a lock, as its file says, and if it is stopped how it goes on."""
    told = _told(files, lock) or "unknown"
    stopped = stopped_holder(files, lock)
    return f"{told}, stopped: {going_on(stopped)}" if stopped else told


def stopped_holder(files: Files, lock: str) -> int | None:
    """Return the number of the process that has a lock open and is stopped; None if none is."""
    signed = re.match(r"pid (\d+)\b", _told(files, lock))
    if signed is None:
        return None
    pid = int(signed[1])
    return pid if _is_stopped(pid) and _has_open(pid, lock) else None


def going_on(pid: int) -> str:
    """Return what lets a stopped process go on."""
    return f"fg in its shell, or kill -CONT {pid}, lets it go on"


def _told(files: Files, lock: str) -> str:
    told = b""
    with contextlib.suppress(OSError):
        told = read_whole(files, lock) or b""
    return told.decode("utf-8", "replace").strip()


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of its program stands in brackets before it, and may hold any sign.
            return file.read().rpartition(b") ")[2][:1] == b"T"
    except OSError:
        return False


def _has_open(pid: int, path: str) -> bool:
    """Return whether a process has a file open: another may have its number by now."""
    try:
        wanted = os.stat(path)
        opened = os.scandir(f"/proc/{pid}/fd")
    except OSError:
        return False
    with opened:
        for one in opened:
            with contextlib.suppress(OSError):
                if os.path.samestat(one.stat(), wanted):
                    return True
    return False

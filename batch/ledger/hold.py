"""Who may write the files of a run: one process at a time, and a new run beside the old files."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Final

from batch.errors import Busy, CannotWrite
from batch.files import Files, read_whole, write_all
from batch.ledger.paths import Paths

SAME_SECOND: Final = 100  # runs that can be kept aside in one


@contextlib.contextmanager
def held(files: Files, paths: Paths) -> Iterator[None]:
    """Hold the run's lock. Raises Busy, naming the holder, or CannotWrite.

    A run that is refused before its first record leaves no folder behind.
    """
    lock, made = _locked(files, paths)
    try:
        yield
    finally:
        if made and not files.length(paths.journal):
            _remove_traces(files, paths, made)
        files.close(lock)


def keep_aside(files: Files, paths: Paths) -> str | None:
    """Move an earlier run's files aside; return the suffix they got, or None if there are none.

    Raises CannotWrite. The folder goes first: answers without their journal are refused, should
    this be cut short, while a journal without its answers would have them paid again.
    """
    begun = any(files.length(path) for path in (paths.journal, paths.errors))
    if not begun and not files.length(paths.results):
        return None
    suffix = _unused_suffix(files, paths)
    try:
        if begun:
            files.replace(paths.folder, f"{paths.folder}.{suffix}")
        if files.identity(paths.results):
            files.replace(paths.results, f"{paths.results}.{suffix}")
        files.sync_folder(paths.parent)
    except OSError as error:
        raise CannotWrite(
            f"{paths.results}: the old output cannot be kept aside: {error.strerror}."
        ) from error
    return suffix


def holder(files: Files, lock: str) -> str:
    """Return who holds a lock, as its file says."""
    told = (read_whole(files, lock) or b"").decode("utf-8", "replace").strip()
    return told or "unknown"


def sign(files: Files, lock: int) -> None:
    """Write into a lock who holds it. For people alone: a full disk is told by what counts."""
    with contextlib.suppress(OSError):
        files.truncate(lock, 0)
        write_all(files, lock, f"pid {os.getpid()} since {time.strftime('%F %T %z')}\n".encode())


def missing_folders(files: Files, folder: str) -> list[str]:
    """Return the folders that have to be made for this one, itself first."""
    made = []
    while folder and not files.identity(folder):
        made.append(folder)
        folder = os.path.dirname(folder)
    return made


def _locked(files: Files, paths: Paths) -> tuple[int, Sequence[str]]:
    """Return the descriptor that holds the lock, and the folders that were made for it."""
    try:
        made = missing_folders(files, paths.folder)
        for folder in (paths.folder, paths.cache):
            files.make_folder(folder)
        lock = files.lock(paths.lock)
    except BlockingIOError:
        raise Busy(
            f"{paths.folder} is held by another process ({holder(files, paths.lock)}). Wait until "
            "it has ended, or choose another --output."
        ) from None
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or paths.folder}: {error.strerror}. Choose an --output in a folder "
            "that can be written."
        ) from error
    sign(files, lock)
    return lock, made


def _unused_suffix(files: Files, paths: Paths) -> str:
    """Return a suffix that sorts by time and that nothing has yet."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for suffix in (now, *(f"{now}-{n}" for n in range(2, SAME_SECOND))):
        kept = (f"{paths.results}.{suffix}", f"{paths.folder}.{suffix}")
        if not any(files.identity(path) for path in kept):
            return suffix
    raise CannotWrite(f"{paths.results}: too many runs were kept aside at once. Try again.")


def _remove_traces(files: Files, paths: Paths, made: Sequence[str]) -> None:
    """Leave nothing behind of a run that was refused before it began."""
    shutil.rmtree(paths.cache, ignore_errors=True)
    files.remove(paths.lock)
    with contextlib.suppress(OSError):
        for folder in made:
            os.rmdir(folder)

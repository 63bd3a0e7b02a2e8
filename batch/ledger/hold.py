"""Who may write the files of a run: one process at a time, and a new run beside the old files."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Final

from batch.errors import Busy, CannotWrite
from batch.files import Files, read_whole, write_all
from batch.ledger.holder import holder
from batch.ledger.paths import Paths

SAME_SECOND: Final = 100  # runs that can be kept aside in one


@contextlib.contextmanager
def held(files: Files, paths: Paths) -> Iterator[None]:
    """Hold the run's lock. Raises Busy, naming the holder, or CannotWrite.

    A run that is refused before its first record leaves no folder behind.
    """
    lock, made = _locked(files, paths)
    try:
        if files.identity(paths.results):
            _let_go(files, _results_locked(files, paths))
        yield
    finally:
        with contextlib.suppress(OSError):  # else this would be told in place of what went wrong
            if made and not files.length(paths.journal):
                _remove_traces(files, paths, made)
        _let_go(files, lock)


@contextlib.contextmanager
def writing(files: Files, paths: Paths) -> Iterator[None]:
    """Hold the results themselves while they are written. Raises Busy or CannotWrite.

    The lock can be deleted while its holder works, and then keeps nobody away. Where nobody could
    write any more what is held, the lock has to do.
    """
    if _shuts_all_out(files, paths.lock):
        yield
        return
    lock = _results_locked(files, paths)
    try:
        yield
    finally:
        _let_go(files, lock)


def keep_aside(files: Files, paths: Paths, now: float | None = None) -> str | None:
    """Move an earlier run's files aside; return the suffix they got, or None if there are none.

    ``now``: seconds since the epoch, if that is not the clock's. Raises CannotWrite. The folder
    goes first: answers without their journal are refused, should this be cut short, while a journal
    without its answers would have them paid again.
    """
    told = (paths.journal, paths.errors, paths.manifest, paths.live, paths.checkpoint)
    begun = any(map(files.length, told))
    if not begun and not files.length(paths.results):
        return None
    suffix = _unused_suffix(files, paths, now)
    try:
        if begun:
            files.replace(paths.folder, f"{paths.folder}.{suffix}")
        # Else a power loss may take back this one alone, be it of a command that was killed here.
        files.sync_folder(paths.parent)
        if files.identity(paths.results):
            files.replace(paths.results, f"{paths.results}.{suffix}")
        files.sync_folder(paths.parent)
    except OSError as error:
        raise CannotWrite(
            f"{paths.results}: the old output cannot be kept aside: {error.strerror or error}. Run "
            "the same command again once the cause is mended."
        ) from error
    return suffix


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
    made: Sequence[str] = ()
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
        with contextlib.suppress(OSError):
            if made:
                _remove_traces(files, paths, made)
        long = error.errno == errno.ENAMETOOLONG  # of the folder, whose name is made of the file's
        where = "with a shorter name" if long else "in a folder that can be written"
        raise CannotWrite(
            f"{error.filename or paths.folder}: {error.strerror or error}. Choose an --output "
            f"{where}."
        ) from error
    sign(files, lock)
    return lock, made


def _results_locked(files: Files, paths: Paths) -> int:
    """Return the descriptor that holds the results."""
    try:
        return files.lock(paths.results)
    except BlockingIOError:
        raise Busy(
            f"{paths.results} is held by another process that has no lock in {paths.folder}: it "
            "was removed, or the file has a second name. Wait until that process has ended, or "
            "choose another --output."
        ) from None
    except OSError as error:
        raise CannotWrite(
            f"{paths.results}: {error.strerror or error}. Nothing was changed. To go on with a run "
            "its files must be readable and writable."
        ) from error


def _shuts_all_out(files: Files, lock: str) -> bool:
    """Return whether what this process has locked is shut for its own other descriptors, too.

    So it is on SMB drives, see flock(2). A run reads and writes its results by several.
    """
    try:
        read_whole(files, lock)
    except OSError:
        return True
    return False


def _unused_suffix(files: Files, paths: Paths, at: float | None) -> str:
    """Return a suffix that sorts by time and that nothing has yet."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    for suffix in (now, *(f"{now}-{n}" for n in range(2, SAME_SECOND))):
        kept = (f"{paths.results}.{suffix}", f"{paths.folder}.{suffix}")
        if not any(files.identity(path) for path in kept):
            return suffix
    raise CannotWrite(f"{paths.results}: too many runs were kept aside at once. Try again.")


def _let_go(files: Files, lock: int) -> None:
    """Close a lock; the system lets go of it even where it says that this failed."""
    with contextlib.suppress(OSError):
        files.close(lock)


def _remove_traces(files: Files, paths: Paths, made: Sequence[str]) -> None:
    """Leave nothing behind of a run that was refused before it began."""
    shutil.rmtree(paths.cache, ignore_errors=True)
    files.remove(paths.lock)
    with contextlib.suppress(OSError):
        for folder in made:
            os.rmdir(folder)

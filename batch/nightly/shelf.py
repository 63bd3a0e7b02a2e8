"""The edge of the nights: looks at a day's folders, keeps others off it, publishes it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from batch.errors import Busy, CannotWrite
from batch.files import Files, OsFiles, read_whole
from batch.ledger.entries import Header
from batch.ledger.hold import held, missing_folders, sign
from batch.ledger.holder import holder
from batch.ledger.paths import Paths
from batch.ledger.publish import publish_object
from batch.ledger.scan import numbered
from batch.nightly.partition import Partition, partition_of
from batch.nightly.state import State, moved


class _Begun(msgspec.Struct):
    """The first entry of a day's journal."""

    run: Header


def look(files: Files, partition: Partition) -> State:
    """Return the state that a day is in. A folder that is empty is none."""
    if os.path.isdir(partition.folder):
        if files.length(Paths(partition.output).journal):
            return "published"
        if os.listdir(partition.folder):
            return "foreign"
    elif os.path.lexists(partition.folder):
        return "foreign"
    return "begun" if files.length(Paths(partition.building).journal) else "absent"


def tidy(files: Files, partition: Partition) -> None:
    """Finish what a process left that was killed just as it had published a day.

    Its lock goes: whoever comes to hold a new one meanwhile looks again, and finds the day
    published. And the day's name is made safe, which it may not be yet, before it is told.
    """
    with contextlib.suppress(OSError):  # a folder that may only be read is as good
        files.remove(partition.lock)
        files.sync_folder(partition.parent)


def whereabouts(day: str | None, output: str) -> str:
    """Return where the answers of a day are now. Raises ``BadConfig`` for an output of no day."""
    partition = partition_of(day, output)
    return partition.building if look(OsFiles(), partition) == "begun" else partition.output


def missing(inputs: Sequence[str]) -> list[str]:
    """Return the inputs that are not there."""
    return [name for name in inputs if name != "-" and not os.path.exists(name)]


def vanished(files: Files, partition: Partition, inputs: Sequence[str]) -> list[str]:
    """Return the inputs that a day was begun with and that are gone: no pattern misses its files.

    One of the same name in another folder is taken for it.
    """
    journal = Paths(partition.building).journal
    first = next(numbered(files, journal, 0, files.length(journal)), None)
    try:
        begun = msgspec.json.decode(first[1], type=_Begun).run.inputs if first is not None else ()
    except msgspec.MsgspecError:  # torn, or damaged: whoever opens the run says so
        return []
    names = {os.path.basename(name) for name in inputs}
    gone = missing([one.path for one in begun])
    return [name for name in gone if os.path.basename(name) not in names]


@contextlib.contextmanager
def claimed(files: Files, partition: Partition) -> Iterator[None]:
    """Keep other processes off a day. Raises ``Busy``, naming the holder, or ``CannotWrite``.

    The lock is beside the folder: one within it would be under another name after the rename, and
    who comes by then would begin the day anew.
    """
    made: Sequence[str] = ()
    try:
        made = missing_folders(files, partition.parent)
        files.make_folder(partition.parent)
        lock = files.lock(partition.lock)
    except BlockingIOError:
        raise Busy(
            f"{partition.day} is made by another process ({holder(files, partition.lock)}). It "
            "publishes the day when it has ended; nothing is to be done."
        ) from None
    except OSError as error:
        if made:
            _take_back(files, partition, made)
        raise CannotWrite(
            f"{error.filename or partition.parent}: {error.strerror}. Choose an output in a folder "
            "that can be written."
        ) from error
    sign(files, lock)
    try:
        yield
    finally:
        _take_back(files, partition, made)
        with contextlib.suppress(OSError):
            files.close(lock)


def _take_back(files: Files, partition: Partition, made: Sequence[str]) -> None:
    """Remove a day's lock, and those folders made for it that hold nothing."""
    with contextlib.suppress(OSError):
        files.remove(partition.lock)
    with contextlib.suppress(OSError):
        for folder in made:
            os.rmdir(folder)


def publish(files: Files, partition: Partition, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Give a day that was made its place, in one step; return the summary that is in it then.

    ``summary`` is the run's, for a day that has none on disk. Raises ``Busy`` or ``CannotWrite``.

    Cut short anywhere it is done again from the start: until the rename all is where it was. The
    run's own lock keeps a retry off that somebody starts meanwhile.
    """
    before, after = Paths(partition.building), Paths(partition.output)
    with held(files, before):
        try:
            told = _manifest(files, before) or summary
            places = os.path.realpath(after.results), os.path.realpath(after.folder)
            told = moved(told, *places)
            publish_object(files, before.manifest, told)
            files.replace(partition.partial, partition.folder)
            files.sync_folder(partition.parent)
        except OSError as error:
            raise CannotWrite(
                f"{partition.folder}: {error.strerror or error}. {partition.day} is made, and was "
                "not published. The same command publishes it, and sends nothing."
            ) from error
    return told


def point(files: Files, link: str, partition: Partition) -> None:
    """Have a link lead to a day, unless it leads to a later one. Raises ``CannotWrite``."""
    parent, temporary = os.path.dirname(link) or ".", f"{link}.tmp"
    target = os.path.relpath(partition.folder, os.path.realpath(parent))
    try:
        if os.path.lexists(link) and _leads_to(link, target, partition):
            return
        files.make_folder(parent)
        files.remove(temporary)
        os.symlink(target, temporary)
        files.replace(temporary, link)
        files.sync_folder(parent)
    except OSError as error:
        raise CannotWrite(
            f"{link}: {error.strerror or error}. It is to be a link to the latest day: move away "
            "what else is there, or name another latest."
        ) from error


def _leads_to(link: str, target: str, partition: Partition) -> bool:
    """Return whether a link leads to a day, or to a later one that is there."""
    there = os.readlink(link)
    return there == target or (partition.precedes(os.path.basename(there)) and os.path.exists(link))


def _manifest(files: Files, paths: Paths) -> dict[str, Any] | None:
    try:
        told: Any = orjson.loads(read_whole(files, paths.manifest) or b"null")
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("x_run"), dict) else None

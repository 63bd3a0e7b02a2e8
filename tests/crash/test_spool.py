"""The copy of an input stream: whole or not there, whenever a process or the machine goes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from batch.inputs.spool import fresh, settle, spool
from tests.crash.explore import remains
from tests.crash.test_crash import NoFolderSync, NoSync, TornReplace
from tests.ledger.memory_files import MemoryFiles

FOLDER = "/day/out.run/cache"
PLACE = f"{FOLDER}/stdin.jsonl"
EARLIER = b"".join(b'{"prompt":"earlier %d"}\n' % n for n in range(9))
NOW = b"".join(b'{"prompt":"now %d"}\n' % n for n in range(12))


def keep(files: MemoryFiles, data: bytes) -> None:
    """Copy a stream, and put the copy in its place, as a run does that nothing stands against."""
    out, into = os.pipe()
    os.write(into, data)
    os.close(into)
    try:
        spool(files, out, "standard input", fresh(PLACE))
        settle(files, fresh(PLACE))
    finally:
        os.close(out)


def images(files: MemoryFiles, data: bytes) -> Iterator[tuple[bytes | None, bool]]:
    """Yield what is in the place after each crash, and whether the copy was settled by then."""
    moments: list[MemoryFiles] = []

    def look(operation: str, path: str, data: bytes) -> None:
        moments.append(files.killed())
        if operation == "write":
            part = files.killed()
            part.names[path].data += data[: len(data) // 2]
            moments.append(part)

    files.before = look
    keep(files, data)
    chance = random.Random(3)
    for moment, settled in (*((one, False) for one in moments), (files.killed(), True)):
        for left in remains(moment, chance):
            yield left.content(PLACE) if PLACE in left.names else None, settled


@pytest.mark.parametrize("earlier", [None, EARLIER], ids=["the first", "one more"])
def test_a_whole_copy_stands_in_its_place_or_what_was_there(earlier: bytes | None) -> None:
    files = MemoryFiles(FOLDER)
    if earlier is not None:
        files.put(PLACE, earlier)

    seen = list(images(files, NOW))

    assert {there for there, _ in seen} == {earlier, NOW}
    assert {there for there, settled in seen if settled} == {NOW}
    assert len(seen) > 30


@pytest.mark.parametrize("rule", [NoSync, NoFolderSync, TornReplace])
def test_a_disk_that_breaks_a_rule_is_found_out(rule: type[MemoryFiles]) -> None:
    files = rule(FOLDER)
    files.put(PLACE, EARLIER)

    seen = list(images(files, NOW))

    whole = {there for there, _ in seen} <= {EARLIER, NOW}
    assert not whole or {there for there, settled in seen if settled} != {NOW}

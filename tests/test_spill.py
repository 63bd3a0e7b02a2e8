"""Lines that wait: they come back as they were, in order, and cost hardly any memory."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import random
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from batch.errors import BadData, CannotWrite
from batch.files import OsFiles
from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine
from batch.inputs.settings import InputSettings
from batch.inputs.source import Source
from batch.inputs.sources import Inputs, open_inputs
from batch.records import BadLine, Row
from batch.spill import BUFFER_NOTES, Spill
from batch.wire import formats
from tests.inputs.toy import toy_formats
from tests.rig import at_once, rows, unread

MANY = 10 * BUFFER_NOTES
MARK = b"\xef\xbb\xbf"


def line(number: int, model: str = "m") -> bytes:
    return b'{"model":"%s","messages":[{"role":"user","content":"%d"}]}' % (model.encode(), number)


class Folder:
    """Inputs in a folder, and their spill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.files = Disk()
        self.reader = Reader(toy_formats(), InputSettings())
        self.read: list[int] = []  # lines at each time that some were got back

    def write(self, name: str, data: bytes) -> Path:
        """Add an input."""
        path = self.path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        self.names.append(str(path))
        return path

    def open(self) -> Inputs:
        return open_inputs(self.names, str(self.path / "cache" / "stdin"))

    def rows(self, inputs: Inputs) -> list[Row]:
        found = [self.reader.parse(one) for one in inputs.lines()]
        assert not any(isinstance(one, BadLine) for one in found)
        return found  # type: ignore[return-value]

    def spill(self, sources: Sequence[Source] = (), **more: int) -> Spill:
        (self.path / "cache").mkdir(exist_ok=True)
        where = self.files, str(self.path / "cache"), sources
        return Spill(*where, self.reader.parse, at_once, **more)


class Disk(OsFiles):
    """A file system that may be full."""

    full = False
    broken = False

    def write(self, fd: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read_at(fd, offset, size)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_rows_of_a_table_come_back_as_they_were(folder: Folder) -> None:
    # Given
    folder.write("in.csv", MARK + b"".join(b'r%d,"a\r\nb ""%d"""\r\n' % (n, n) for n in range(9)))
    path = folder.path / "in.csv"
    path.write_bytes(path.read_bytes().replace(MARK, MARK + b"id,prompt\r\n"))
    inputs = folder.open()
    settings = InputSettings(model="m")
    folder.reader = Reader(formats(), settings, inputs.forms)
    rows = folder.rows(inputs)

    # When
    with folder.spill(inputs.sources) as spill:
        for row in rows:
            assert spill.put("m", row)
        back = take_all(spill, "m", len(rows))

    # Then
    assert back == rows
    assert [row.custom_id for row in back] == [f"r{n}" for n in range(9)]


def test_a_row_that_was_changed_while_it_waited_is_refused(folder: Folder) -> None:
    # Given
    path = folder.write("in.csv", b"id,prompt\n1,abc\n")
    inputs = folder.open()
    folder.reader = Reader(formats(), InputSettings(model="m"), inputs.forms)

    with folder.spill(inputs.sources) as spill:
        assert spill.put("m", folder.rows(inputs)[0])
        with path.open("r+b") as file:
            file.write(b"id,prompt\n1,abd\n")

        # When, then
        with pytest.raises(BadData, match=r"in\.csv:2: the line was changed"):
            take(spill, "m")


def take(spill: Spill, lane: str, rows: int = 200, size: int = 1 << 20) -> list[Row]:
    return asyncio.run(spill.take(lane, rows, size))


def take_all(spill: Spill, lane: str, count: int) -> list[Row]:
    found: list[Row] = []
    while len(found) < count:
        found += take(spill, lane)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_lines_come_back_as_they_were_and_in_order(folder: Folder, seed: int) -> None:
    # Given inputs of all kinds, and three lanes that put lines in and take some out by turns
    chance = random.Random(seed)
    texts = [line(n) for n in range(MANY)]
    third = MANY // 3
    folder.write("plain.jsonl", MARK + b"\n".join(texts[:third]))
    folder.write("packed.gz", b"\r\n".join(texts[third : 2 * third]) + b"\r\n")
    folder.write("blanks.jsonl", b"\n\n \n".join(texts[2 * third :]) + b"\r\n")
    inputs = folder.open()
    put: dict[str, list[Row]] = {"a": [], "b": [], "c": []}
    taken: dict[str, list[Row]] = {"a": [], "b": [], "c": []}

    # When
    with folder.spill(inputs.sources) as spill:
        for row in folder.rows(inputs):
            lane = chance.choice("aaaabc")
            assert spill.put(lane, row)
            put[lane].append(row)
            if chance.random() < 0.01:
                lane = chance.choice("abc")
                if len(taken[lane]) < len(put[lane]):
                    taken[lane] += take(spill, lane, chance.choice([1, 50, 1000]))
        for lane, whole in put.items():
            left = len(whole) - len(taken[lane])
            taken[lane] += take_all(spill, lane, left)

    # Then
    assert taken == put


def test_rows_of_no_file_come_back_too(folder: Folder) -> None:
    made = rows(MANY, "chat", pack_key="k", makes="image")

    with folder.spill() as spill:
        assert all(spill.put("a", row) for row in made)

        assert take_all(spill, "a", MANY) == made


@pytest.mark.parametrize(
    ("rows", "size", "taken"), [(3, 1000, 3), (1000, 3 * 57, 3), (1000, 0, 1), (1000, -5, 1)]
)
def test_so_many_lines_in_so_many_bytes_are_taken_but_one_at_least(
    folder: Folder, rows: int, size: int, taken: int
) -> None:
    folder.write("in.jsonl", b"\n".join(line(n) for n in range(10, 20)))
    inputs = folder.open()

    with folder.spill(inputs.sources) as spill:
        for row in folder.rows(inputs):
            assert row.size == 57
            spill.put("a", row)

        assert len(take(spill, "a", rows, size)) == taken


def test_notes_of_two_hundred_thousand_lines_take_no_memory_and_forty_bytes_of_disk_each(
    folder: Folder,
) -> None:
    folder.write("in.jsonl", line(1))
    inputs = folder.open()
    (row,) = folder.rows(inputs)
    written = 0

    class Counting(Disk):
        def write(self, fd: int, data: bytes) -> int:
            nonlocal written
            written += len(data)
            return super().write(fd, data)

    folder.files = Counting()
    with folder.spill(inputs.sources) as spill:
        for _ in range(MANY):
            spill.put("a", row)
        tracemalloc.start()

        for _ in range(200_000):
            spill.put("a", row)

        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 200_000
    assert written <= 40 * (MANY + 200_000)


@pytest.mark.parametrize("name", ["in.jsonl", "in.gz"])
def test_nothing_is_left_behind_and_nothing_is_missed_when_it_is_deleted(
    folder: Folder, name: str
) -> None:
    folder.write(name, b"\n".join(line(n) for n in range(MANY)))
    inputs = folder.open()
    with folder.spill(inputs.sources) as spill:
        put = folder.rows(inputs)
        for row in put[: MANY // 2]:
            spill.put("a", row)
        assert os.listdir(folder.path / "cache") == []

        shutil.rmtree(folder.path / "cache")
        for row in put[MANY // 2 :]:
            spill.put("a", row)

        assert take_all(spill, "a", MANY) == put


CHANGES: dict[str, Callable[[Path, bytes], object]] = {
    "one byte": lambda path, data: path.write_bytes(data.replace(b'"7"', b'"8"')),
    "cut": lambda path, data: os.truncate(path, len(data) - 120),
    "shifted": lambda path, data: path.write_bytes(b"\n" + data),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_line_that_changed_meanwhile_is_noticed_and_named(
    folder: Folder, change: Callable[[Path, bytes], object]
) -> None:
    # Given lines that wait, some of which were read again already
    data = b"\n".join(line(n) for n in range(10))
    path = folder.write("in.jsonl", data)
    inputs = folder.open()
    with folder.spill(inputs.sources) as spill:
        for row in folder.rows(inputs):
            spill.put("a", row)
        take(spill, "a", 1)

        change(path, data)

        with pytest.raises(BadData, match=r"in\.jsonl:\d+: the line was changed while"):
            take(spill, "a")


def test_a_packed_file_may_be_gone_when_its_lines_come_back(folder: Folder) -> None:
    path = folder.write("in.gz", line(1))
    inputs = folder.open()
    with folder.spill(inputs.sources) as spill:
        (row,) = folder.rows(inputs)
        spill.put("a", row)

        path.unlink()

        assert take(spill, "a") == [row]


def test_lines_that_wait_whole_have_so_much_room_and_get_it_again(folder: Folder) -> None:
    made = rows(2000, "chat")

    with folder.spill(whole_bytes=100_000) as spill:
        fitted = [row for row in made if spill.put("ab"[row.ordinal % 2], row)]
        assert 500 < len(fitted) < 1500
        for lane in "ab":
            count = sum("ab"[row.ordinal % 2] == lane for row in fitted)
            assert len(take_all(spill, lane, count)) == count

        again = [row for row in made if spill.put("c", row)]

        assert len(again) == len(fitted)
        assert take_all(spill, "c", len(again)) == again


def test_notes_need_none_of_the_room_of_lines_that_wait_whole(folder: Folder) -> None:
    folder.write("in.jsonl", line(1))
    inputs = folder.open()
    (row,) = folder.rows(inputs)

    with folder.spill(inputs.sources, whole_bytes=0) as spill:
        assert spill.put("a", row)
        assert not spill.put("a", rows(1, "chat")[0])


@pytest.mark.parametrize("name", ["in.jsonl", "in.gz"])
def test_a_full_disk_takes_no_more_lines_and_gives_back_what_it_has(
    folder: Folder, name: str
) -> None:
    folder.write(name, b"\n".join(line(n) for n in range(MANY)))
    inputs = folder.open()
    with folder.spill(inputs.sources) as spill:
        put = []
        for row in folder.rows(inputs):
            folder.files.full = len(put) > 3 * BUFFER_NOTES
            if spill.put("a", row):
                put.append(row)

        assert 3 * BUFFER_NOTES <= len(put) <= 4 * BUFFER_NOTES
        assert take_all(spill, "a", len(put)) == put


def test_a_disk_that_gives_nothing_back_ends_the_run(folder: Folder) -> None:
    with folder.spill() as spill:
        for row in rows(10, "chat"):
            spill.put("a", row)
        folder.files.broken = True

        with pytest.raises(CannotWrite, match="cannot be read back: Input/output error"):
            take(spill, "a")


def test_a_line_that_is_put_while_others_are_got_back_is_not_lost(folder: Folder) -> None:
    """Reading takes its time in a thread; the loop goes on."""
    made = rows(2 * MANY, "chat")
    cache = str(folder.path)

    async def main() -> list[Row]:
        async def slowly(read: Callable[[], list[bytes]]) -> list[bytes]:
            for row in made[put : put + 1500]:
                spill.put("a", row)
            return await asyncio.get_running_loop().run_in_executor(None, read)

        found: list[Row] = []
        with Spill(OsFiles(), cache, (), unread, slowly) as spill:
            put = 0
            for put in range(1500, len(made), 1500):
                for row in made[: 1500 * (put == 1500)]:
                    spill.put("a", row)
                found += await spill.take("a", 700, 1 << 20)
            put = len(made)
            while len(found) < len(made):
                found += await spill.take("a", 700, 1 << 20)
        return found

    assert asyncio.run(main()) == made


def test_a_line_is_understood_anew_where_it_stood(folder: Folder) -> None:
    """So that errors and records name the same place."""
    folder.write("one.jsonl", line(1) + b"\n")
    folder.write("two.jsonl", b"\n" + line(2) + b"\n")
    inputs = folder.open()
    seen: list[RawLine] = []

    def parse(raw: RawLine) -> Row | BadLine:
        seen.append(raw)
        return folder.reader.parse(raw)

    where = OsFiles(), str(folder.path), inputs.sources
    with Spill(*where, parse, at_once) as spill:
        for row in folder.rows(inputs):
            spill.put("a", row)
        take(spill, "a")

    assert seen == list(inputs.lines())

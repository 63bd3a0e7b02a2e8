"""A file of an answer is on disk whole under its name, or not at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from pathlib import Path

import msgspec
import pytest

from batch.errors import CallFailed, CannotWrite, CutAnswer, FileGone, Interrupted, NotAnAnswer
from batch.files import OsFiles
from batch.mock._samples import mp4
from batch.records import Call, Saved
from tests.raw_server import Act, RawServer, Script, chunk, head, http
from tests.transport.kit import KEY, run, transport

READ, CLOSE, RESET, HOLD = Act.READ, Act.CLOSE, Act.RESET, Act.HOLD
VIDEO = "Content-Type: video/mp4"
CHUNKED = "Transfer-Encoding: chunked"
FETCH = Call("GET", "/v1/videos/1/content", kind="fetch", expect="file", save_as="a", media=True)
SECOND = msgspec.structs.replace(FETCH, save_as="b")
# 3 MB of what begins as a film does: several trips to the disk.
BYTES = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 12_000
CHUNKS = [chunk(BYTES[at : at + 99_999]) for at in range(0, len(BYTES), 99_999)]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "script",
    [
        (READ, http(BYTES, VIDEO)),
        (READ, head(VIDEO, CHUNKED), *CHUNKS, chunk(b"")),
    ],
    ids=["length", "chunks"],
)
def test_a_file_is_saved_whole_for_its_owner_alone(
    script: Script, loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        folder = tmp_path / "out.run" / "files"
        async with (
            RawServer(script) as server,
            transport(server.url, str(folder)) as network,
        ):
            reply = await network.send(FETCH, KEY)

        path = folder / "a.mp4"
        sha256 = hashlib.sha256(BYTES).hexdigest()
        assert reply.body == Saved("a.mp4", len(BYTES), sha256, "video/mp4")
        assert path.read_bytes() == BYTES
        assert path.stat().st_mode & 0o777 == 0o600
        assert os.listdir(folder) == ["a.mp4"]
        # A compressed file that is cut would pass unnoticed.
        assert server.got[0].headers["accept-encoding"] == "identity"

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ((READ, http(BYTES, VIDEO, length=len(BYTES) + 1), CLOSE), Interrupted),
        ((READ, http(b"ID3", VIDEO, length=99), RESET), Interrupted),
        ((READ, head(VIDEO, CHUNKED) + chunk(BYTES), CLOSE), Interrupted),
        ((READ, http(BYTES + BYTES, VIDEO)), FileGone),
    ],
    ids=["short", "reset", "cut", "too large"],
)
def test_a_file_that_did_not_come_whole_leaves_nothing(
    script: Script, failure: type[CallFailed], loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            RawServer(script) as server,
            transport(server.url, str(tmp_path), max_file=len(BYTES)) as network,
        ):
            with pytest.raises(failure):
                await network.send(FETCH, KEY)

        assert os.listdir(tmp_path) == []

    run(main(), loop)


def test_what_a_crash_or_an_attacker_left_is_replaced_and_not_followed(tmp_path: Path) -> None:
    async def main() -> None:
        victim, folder = tmp_path / "victim", tmp_path / "files"
        victim.write_bytes(b"precious")
        folder.mkdir()
        (folder / "a.part").symlink_to(victim)
        (folder / "b.part").write_bytes(BYTES)
        script = (READ, http(b"video", VIDEO), READ, http(b"video", VIDEO))
        async with (
            RawServer(script) as server,
            transport(server.url, str(folder)) as network,
        ):
            await network.send(FETCH, KEY)
            await network.send(SECOND, KEY)

        assert victim.read_bytes() == b"precious"
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
            "a.bin": b"video",
            "b.bin": b"video",
        }

    run(main())


@pytest.mark.parametrize("kind", ["application/json", "video/mp4"])
def test_what_is_no_file_is_not_read_to_the_size_of_one(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        page = http(b"{" + b" " * 2000, f"Content-Type: {kind}")
        async with (
            RawServer((READ, page)) as server,
            transport(server.url, str(tmp_path), max_body=1000) as network,
        ):
            with pytest.raises(NotAnAnswer, match="1,000 bytes"):
                await network.send(FETCH, KEY)

    run(main())


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (http(b'{"error":1}', "Content-Type: application/json"), b'{"error":1}'),
        (http(b' {"error":1}', VIDEO), b' {"error":1}'),
        (http(b"not yet", VIDEO, status="400 Bad Request"), b"not yet"),
        (http(b"film", VIDEO, status="206 Partial Content"), b"film"),
        (http(b"", VIDEO), b""),
    ],
    ids=["JSON", "JSON that calls itself a video", "error", "a piece", "nothing"],
)
def test_what_is_no_file_is_not_saved(answer: bytes, body: bytes, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, answer)) as server,
            transport(server.url, str(tmp_path)) as network,
        ):
            reply = await network.send(FETCH, KEY)

        assert reply.body == body
        assert os.listdir(tmp_path) == []

    run(main())


@pytest.mark.parametrize("name", ["../a", "/tmp/a", "", ".", "..", "a/b"])
def test_a_name_that_leaves_the_folder_is_a_bug(name: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"video", VIDEO))) as server,
            transport(server.url, str(tmp_path)) as network,
        ):
            with pytest.raises(ValueError, match="no plain file name"):
                await network.send(msgspec.structs.replace(FETCH, save_as=name), KEY)

    run(main())


class FullDisk(OsFiles):
    """A file system without space."""

    def write(self, fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class SlowDisk(OsFiles):
    """A file system that writes when it is told to."""

    def __init__(self) -> None:
        self.writing = threading.Event()
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def write(self, fd: int, data: bytes) -> int:
        self.writing.set()
        self.go_on.wait(5)
        return super().write(fd, data)

    def close(self, fd: int) -> None:
        self.closed.set()
        super().close(fd)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_file_whose_framing_breaks_while_the_disk_is_busy_is_cut(
    loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        disk, writing = SlowDisk(), asyncio.Event()
        script = (READ, head(VIDEO, CHUNKED) + CHUNKS[0] * 4, writing, b"zz\r\n", HOLD)
        async with (
            RawServer(script) as server,
            transport(server.url, str(tmp_path), disk) as network,
        ):
            call = asyncio.create_task(network.send(FETCH, KEY))
            await asyncio.to_thread(disk.writing.wait, 5)
            writing.set()
            await server.left.wait()  # aiohttp has closed it
            disk.go_on.set()

            with pytest.raises(Interrupted, match="its framing broke"):
                await call

        assert os.listdir(tmp_path) == []

    run(main(), loop)


def test_a_full_disk_stops_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"video", VIDEO))) as server,
            transport(server.url, str(tmp_path), FullDisk()) as network,
        ):
            with pytest.raises(CannotWrite, match="a: No space"):
                await network.send(FETCH, KEY)

        assert os.listdir(tmp_path) == []

    run(main())


def test_a_call_cancelled_under_a_running_write_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        disk = SlowDisk()
        async with (
            RawServer((READ, http(BYTES, VIDEO))) as server,
            transport(server.url, str(tmp_path), disk) as network,
        ):
            call = asyncio.create_task(network.send(FETCH, KEY))
            await asyncio.to_thread(disk.writing.wait)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            # A descriptor that is closed too soon may be another file's when the write goes on.
            assert not await asyncio.to_thread(disk.closed.wait, 0.05)
            disk.go_on.set()

        assert os.listdir(tmp_path) == []

    run(main())


def test_a_film_that_was_cut_in_good_order_is_no_film(tmp_path: Path) -> None:
    """As the gateway does after a minute, where it never said how long the film is."""

    async def main() -> None:
        film = mp4(1, 300_000)
        cut = (READ, head(VIDEO, CHUNKED), chunk(film[:200_000]), chunk(b""))
        async with (
            RawServer((*cut, READ, head(VIDEO, CHUNKED), chunk(film), chunk(b""))) as server,
            transport(server.url, str(tmp_path)) as network,
        ):
            with pytest.raises(CutAnswer):
                await network.send(FETCH, KEY)

            reply = await network.send(FETCH, KEY)

        assert isinstance(reply.body, Saved)
        assert reply.body.size == len(film)
        assert os.listdir(tmp_path) == ["a.mp4"]

    run(main())

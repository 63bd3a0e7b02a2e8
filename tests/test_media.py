"""What an answer holds beside text becomes files, whole and for their owner alone, or stays."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson
import pytest

from batch.errors import CannotWrite
from batch.files import Files, OsFiles
from batch.media import HEAD, MOST_BLOBS, MediaFolder
from batch.records import Answer, Blob, Saved
from tests.ledger.memory_files import MemoryFiles

T = TypeVar("T")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(90))
WAV = b"RIFF\x1a\0\0\0WAVEfmt " + bytes(40)
GIF = b"GIF89a" + bytes(40)
SAMPLES = bytes([1, 0, 2, 0]) * 30


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{encoded(data)}"


def answer(document: object, *blobs: Blob, content: str | None = None) -> Answer:
    return Answer(orjson.dumps(document), content, "stop", None, blobs=blobs)


def within(
    folder: Path | str,
    scene: Callable[[MediaFolder], Coroutine[Any, Any, T]],
    files: Files | None = None,
    inline: bool = False,
) -> T:
    """Return what a scene returns over a folder, once its thread has done all."""

    async def main() -> T:
        media = MediaFolder(files or OsFiles(), str(folder), inline)
        try:
            return await scene(media)
        finally:
            await media.close()

    return asyncio.run(main())


def kept(folder: Path | str, given: Answer, **how: Any) -> Answer:
    return within(folder, lambda media: media.keep(given), **how)


def saved(name: str, data: bytes, kind: str) -> Saved:
    return Saved(name, len(data), hashlib.sha256(data).hexdigest(), kind)


# ------------------------------------------------------------------------------------------ kept


def test_a_picture_becomes_a_file_and_its_name_takes_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "out.run" / "files"
    text = f"Here: ![cat]({uri(PNG)})"
    given = answer({"n": 1, "content": text}, Blob(uri(PNG), "00000001-ab-0-0"), content=text)

    got = kept(folder, given)

    path = folder / "00000001-ab-0-0.png"
    assert path.read_bytes() == PNG
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert got.files == (saved("00000001-ab-0-0.png", PNG, "image/png"),)
    named = "Here: ![cat](wbatch-file:00000001-ab-0-0.png)"
    assert got.body == orjson.dumps({"n": 1, "content": named})
    assert got.content == named
    assert got.blobs == ()
    assert (got.finish, got.status) == (given.finish, given.status)


def test_several_are_written_in_order_behind_those_that_came_before(tmp_path: Path) -> None:
    before = saved("one-0-0.mp4", b"film", "video/mp4")
    given = answer(
        {"a": encoded(PNG), "b": [uri(GIF), encoded(PNG) + "AAAA"]},
        Blob(encoded(PNG), "one-0-1"),
        Blob(uri(GIF), "one-0-2"),
    )

    got = kept(tmp_path, msgspec.structs.replace(given, files=(before,)))

    assert got.files == (
        before,
        saved("one-0-1.png", PNG, "image/png"),
        saved("one-0-2.gif", GIF, "image/gif"),
    )
    assert orjson.loads(got.body) == {
        "a": "wbatch-file:one-0-1.png",
        "b": ["wbatch-file:one-0-2.gif", encoded(PNG) + "AAAA"],
    }
    assert sorted(os.listdir(tmp_path)) == ["one-0-1.png", "one-0-2.gif"]


TYPES = [
    ("the bytes, and not the declared type", uri(PNG, "image/svg+xml"), "", ".png"),
    ("the bytes, and not the hint", encoded(WAV), "pcm", ".wav"),
    ("the bytes, and not a way out", uri(PNG, "image/../../evil.sh"), "../../evil.sh", ".png"),
    ("the hint, where bytes have no mark", encoded(SAMPLES), "pcm", ".pcm"),
    ("nothing, where nobody knows", encoded(SAMPLES), "", ".bin"),
    ("nothing, where only others say", uri(SAMPLES, "application/x-sh"), "x-sh", ".bin"),
]


@pytest.mark.parametrize(("why", "text", "hint", "extension"), TYPES, ids=[t[0] for t in TYPES])
def test_the_extension_comes_of(
    why: str, text: str, hint: str, extension: str, tmp_path: Path
) -> None:
    got = kept(tmp_path / "files", answer([text], Blob(text, "a", hint)))

    assert got.files[0].name == f"a{extension}"
    assert os.listdir(tmp_path / "files") == [f"a{extension}"]
    assert os.listdir(tmp_path) == ["files"]


def test_what_is_no_base64_stays_in_the_body_and_the_others_become_files(tmp_path: Path) -> None:
    bad = "data:image/png;base64,!!"
    document = {"a": bad, "b": uri(PNG), "c": "https://h/a.png"}
    blobs = Blob(bad, "x-0"), Blob(uri(PNG), "x-1"), Blob("https://h/a.png", "x-2")

    got = kept(tmp_path, answer(document, *blobs))

    assert orjson.loads(got.body) == {**document, "b": "wbatch-file:x-1.png"}
    assert [file.name for file in got.files] == ["x-1.png"]
    assert os.listdir(tmp_path) == ["x-1.png"]


def test_nothing_to_keep_makes_no_folder(tmp_path: Path) -> None:
    given = answer({"a": "!!"}, Blob("!!", "x"))

    got = kept(tmp_path / "files", given)

    assert got.body == given.body
    assert got.files == ()
    assert os.listdir(tmp_path) == []


def test_media_that_are_to_stay_in_the_bodies_stay_there(tmp_path: Path) -> None:
    given = answer({"a": uri(PNG)}, Blob(uri(PNG), "x"), content=uri(PNG))

    got = kept(tmp_path / "files", given, inline=True)

    assert (got.body, got.content) == (given.body, given.content)
    assert (got.files, got.blobs) == ((), ())  # nothing goes on record a second time
    assert os.listdir(tmp_path) == []


def test_a_text_that_only_looks_like_the_media_is_left_alone(tmp_path: Path) -> None:
    data = encoded(PNG)

    got = kept(
        tmp_path, answer({"data": data, "text": "x"}, Blob(data, "x"), content=f"say {data}")
    )

    # Base64 is always a whole value.
    assert got.content == f"say {data}"
    assert orjson.loads(got.body)["data"] == "wbatch-file:x.png"


def test_what_an_earlier_session_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"old")
    (tmp_path / "x.part").write_bytes(b"half")

    kept(tmp_path, answer([uri(PNG)], Blob(uri(PNG), "x")))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.png": PNG}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/tmp/a"])
def test_a_name_that_leaves_the_folder_is_a_bug(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no plain file name"):
        kept(tmp_path, answer([uri(PNG)], Blob(uri(PNG), name)))

    assert os.listdir(tmp_path) == []


def test_of_thousands_of_pictures_the_first_become_files() -> None:
    texts = [uri(GIF + bytes([n >> 8, n & 255])) for n in range(MOST_BLOBS + 44)]
    blobs = [Blob(text, f"x-{n}") for n, text in enumerate(texts)]
    files = MemoryFiles("files")

    got = kept("files", answer(texts, *blobs), files=files)

    assert len(got.files) == MOST_BLOBS
    assert orjson.loads(got.body)[MOST_BLOBS:] == texts[MOST_BLOBS:]


# ---------------------------------------------------------------------------------- on the disk


def test_a_file_is_synced_before_it_has_its_name_and_the_name_before_it_counts() -> None:
    files = MemoryFiles()
    done: list[tuple[str, str]] = []
    files.before = lambda operation, path, _: done.append((operation, path))

    kept("files", answer([uri(PNG)], Blob(uri(PNG), "x")), files=files)

    assert done == [
        ("create", "files/x.part"),
        ("write", "files/x.part"),
        ("sync", "files/x.part"),
        ("replace", "files/x.png"),
        ("sync_folder", "files"),
    ]
    assert files.open_descriptors() == 0


def failing(files: MemoryFiles, operation: str) -> None:
    def fail(named: str, path: str, data: bytes) -> None:
        if named == operation:
            raise OSError(5, "Input/output error", path)

    files.before = fail


@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace"])
def test_a_disk_that_fails_leaves_no_half_file_and_no_descriptor(operation: str) -> None:
    files = MemoryFiles("files")
    failing(files, operation)

    with pytest.raises(CannotWrite, match="cannot write files: Input/output error"):
        kept("files", answer([uri(PNG)], Blob(uri(PNG), "x")), files=files)

    assert files.names == {}
    assert files.open_descriptors() == 0


def test_a_name_that_may_be_lost_again_does_not_count() -> None:
    files = MemoryFiles("files")
    failing(files, "sync_folder")

    with pytest.raises(CannotWrite):
        kept("files", answer([uri(PNG)], Blob(uri(PNG), "x")), files=files)

    assert {name: inode.data for name, inode in files.names.items()} == {"files/x.png": PNG}


def test_a_disk_that_is_full_at_the_second_file_leaves_the_first_whole() -> None:
    files = MemoryFiles("files")
    files.free = len(PNG) + 10
    blobs = Blob(uri(PNG), "x-0"), Blob(uri(GIF), "x-1")

    with pytest.raises(CannotWrite, match="No space left"):
        kept("files", answer([uri(PNG), uri(GIF)], *blobs), files=files)

    assert {name: inode.data for name, inode in files.names.items()} == {"files/x-0.png": PNG}
    assert files.open_descriptors() == 0


def test_a_disk_that_takes_a_little_at_a_time_gets_all_of_it() -> None:
    files = MemoryFiles("files")
    files.most = 7

    kept("files", answer([uri(PNG)], Blob(uri(PNG), "x")), files=files)

    assert files.content("files/x.png") == PNG


class UnclosableFiles(MemoryFiles):
    """Tells only when a file is closed that it was not written: so do some network disks."""

    def close(self, fd: int) -> None:
        super().close(fd)
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("operation", ["write", "nothing before"])
def test_a_failure_at_the_close_leaves_no_half_file(operation: str) -> None:
    files = UnclosableFiles("files")
    failing(files, operation)

    with pytest.raises(CannotWrite):
        kept("files", answer([uri(PNG)], Blob(uri(PNG), "x")), files=files)

    assert files.names == {}


# ------------------------------------------------------------------------- a file in pieces


def test_a_file_that_comes_in_pieces_is_one() -> None:
    files = MemoryFiles()

    async def scene(media: MediaFolder) -> Saved:
        part = media.part("x")
        for start in range(0, len(PNG), 3):
            await part.write(PNG[start : start + 3])
        return await part.finish("")

    assert within("files", scene, files) == saved("x.png", PNG, "image/png")
    assert files.content("files/x.png") == PNG


def test_the_type_is_told_by_the_first_bytes_however_many_follow() -> None:
    files = MemoryFiles()
    film = b"\0\0\0\x18ftypmp42" + bytes(8) + PNG * HEAD

    async def scene(media: MediaFolder) -> Saved:
        part = media.part("x")
        await part.write(film)
        await part.write(PNG)
        return await part.finish("image/png")

    assert within("files", scene, files) == saved("x.mp4", film + PNG, "video/mp4")


def test_an_abandoned_file_leaves_nothing() -> None:
    files = MemoryFiles()

    async def scene(media: MediaFolder) -> None:
        part = media.part("x")
        await part.write(PNG)
        assert "files/x.part" in files.names
        part.abandon()

    within("files", scene, files)

    assert files.names == {}
    assert files.open_descriptors() == 0


class SlowFiles(MemoryFiles):
    """Writes when it is told to, and notes whether a file was closed under a running write."""

    def __init__(self, *folders: str) -> None:
        super().__init__(*folders)
        self.writing, self.go_on = threading.Event(), threading.Event()
        self.at_work = self.closed_at_work = False

    def write(self, fd: int, data: bytes) -> int:
        self.at_work = True
        self.writing.set()
        assert self.go_on.wait(10)
        taken = super().write(fd, data)
        self.at_work = False
        return taken

    def close(self, fd: int) -> None:
        self.closed_at_work = self.closed_at_work or self.at_work
        super().close(fd)


async def cancelled_while_writing(files: SlowFiles, work: Coroutine[Any, Any, object]) -> None:
    """Begin some work, cancel it in the middle of a write, and only then have the write end."""
    task = asyncio.ensure_future(work)
    await asyncio.to_thread(files.writing.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    files.go_on.set()


def test_a_write_that_is_cancelled_ends_before_its_pieces_are_removed() -> None:
    files = SlowFiles()

    async def scene(media: MediaFolder) -> None:
        part = media.part("x")
        await cancelled_while_writing(files, part.write(PNG))
        part.abandon()

    within("files", scene, files)

    assert not files.closed_at_work
    assert files.names == {}
    assert files.open_descriptors() == 0


def test_what_is_kept_when_its_line_is_cancelled_is_whole_or_not_there() -> None:
    files = SlowFiles()
    given = answer([uri(PNG)], Blob(uri(PNG), "x"))

    async def scene(media: MediaFolder) -> None:
        await cancelled_while_writing(files, media.keep(given))

    within("files", scene, files)

    assert {name: inode.data for name, inode in files.names.items()} == {"files/x.png": PNG}
    assert files.open_descriptors() == 0


def test_a_cancelled_write_does_not_hold_up_what_comes_after_it() -> None:
    files = SlowFiles()

    async def scene(media: MediaFolder) -> Saved:
        first, second = media.part("x"), media.part("x")
        await cancelled_while_writing(files, first.write(GIF))
        first.abandon()
        await second.write(PNG)
        return await second.finish("")

    assert within("files", scene, files) == saved("x.png", PNG, "image/png")
    assert list(files.names) == ["files/x.png"]

"""Runs that may open few files, have little memory, or nobody who listens."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.disk.limited import addresses, closing, limited, lines_answered
from tests.proofs.processes import Gateway, gateway, lines_of, write_prompts
from tests.raw_server import Act, RawServer, head, http

LINES = 60
FILMS = 200
MB = 1_000_000
ROOM = 512 * MB  # more than a small run needs
BOMB = 300 * MB
GZIP = "Content-Encoding: gzip"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), "--latency", 100, ledger=False) as mock:
        yield mock


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """The memory that a small run takes, and half a gigabyte more."""
    folder = tmp_path_factory.mktemp("small")
    write_prompts(folder / "in.jsonl", {1: "One", 2: "Two"})
    taken = addresses(folder, "run", "in.jsonl", "-o", "out.jsonl", "--mock")
    return {resource.RLIMIT_AS: taken + ROOM}


@pytest.mark.parametrize(
    ("files", "at_once"),
    [(64, "32 at once and not 1000"), (34, "2 at once and not 1000"), ((9, 4096), "")],
    ids=["64", "34", "9 which may be more"],
)
def test_a_run_that_may_open_few_files_asks_fewer_at_once_and_ends_well(
    tmp_path: Path, mock: Gateway, files: int | tuple[int, int], at_once: str
) -> None:
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
    command = ("run", "in.jsonl", "-o", "out.jsonl", "-c", 1000, "--base-url", mock.url)

    said = limited(tmp_path, *command, limits={resource.RLIMIT_NOFILE: files})

    assert said.code == 0, said.err
    assert " 0 retries " in said.err
    assert ("at once and not" in said.err) == bool(at_once)
    assert at_once in said.err
    assert sorted(lines_answered(tmp_path / "out.jsonl")) == list(range(1, LINES + 1))


@pytest.mark.parametrize("files", [9, 12, 20, 33])
@pytest.mark.parametrize(
    "command",
    [("run", "in.jsonl", "-o", "out.jsonl", "--mock"), ("models",)],
    ids=["run", "models"],
)
def test_a_command_that_may_open_too_few_files_says_how_many_it_needs(
    tmp_path: Path, command: tuple[str, ...], files: int
) -> None:
    write_prompts(tmp_path / "in.jsonl", {1: "One"})

    said = limited(tmp_path, *command, limits={resource.RLIMIT_NOFILE: files})

    assert said.code == 73
    assert said.err.count("\n") == 1, said.err
    assert f"have {files} files and connections open, and this one needs 34" in said.err
    assert "ulimit -n 1024" in said.err
    assert [one.name for one in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_retry_of_a_rehearsal_has_both_ends_of_each_connection_too(tmp_path: Path) -> None:
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
    run = ("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--mock-fail", "empty-choices=100%")
    limited(tmp_path, *run, "--max-attempts", 1)

    said = limited(tmp_path, "retry", "out.jsonl", "-c", 1000, limits={resource.RLIMIT_NOFILE: 64})

    assert said.code == 0, said.err
    assert "16 at once and not 1000" in said.err
    assert " 0 retries " in said.err


def test_what_tasks_open_beside_their_calls_is_thought_of(tmp_path: Path, mock: Gateway) -> None:
    asked = {"model": "sora-2", "prompt": "A cat dances"}
    lines = (
        {"custom_id": str(n), "method": "POST", "url": "/v1/videos", "body": asked}
        for n in range(FILMS)
    )
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    command = ("run", "in.jsonl", "-o", "out.jsonl", "-c", 100, "--base-url", mock.url)

    said = limited(tmp_path, *command, limits={resource.RLIMIT_NOFILE: (132, 4096)})

    assert said.code == 0, said.err
    assert " 0 retries " in said.err
    assert len(lines_answered(tmp_path / "out.jsonl")) == FILMS


def test_a_line_of_100_megabytes_is_one_error_in_bounded_memory(
    tmp_path: Path, mock: Gateway, room: dict[int, int]
) -> None:
    write_prompts(tmp_path / "in.jsonl", {1: "One", 2: "x" * 100 * MB, 3: "Three"})

    assert_the_second_line_is_too_long(tmp_path, "in.jsonl", mock, room)


def test_a_packed_input_of_300_megabytes_in_a_line_is_one_error_in_bounded_memory(
    tmp_path: Path, mock: Gateway, room: dict[int, int]
) -> None:
    write_prompts(tmp_path / "in.jsonl", {1: "One", 3: "Three"})
    first, last = (tmp_path / "in.jsonl").read_bytes().splitlines(keepends=True)
    with gzip.open(tmp_path / "in.jsonl.gz", "wb", compresslevel=1) as packed:
        packed.write(first)
        for _ in range(BOMB // MB):
            packed.write(b"x" * MB)
        packed.write(b"\n" + last)

    assert_the_second_line_is_too_long(tmp_path, "in.jsonl.gz", mock, room)


def assert_the_second_line_is_too_long(
    folder: Path, source: str, mock: Gateway, room: dict[int, int]
) -> None:
    said = limited(folder, "run", source, "-o", "out.jsonl", "--base-url", mock.url, limits=room)
    assert said.code == 3, said.err
    assert sorted(lines_answered(folder / "out.jsonl")) == [1, 3]
    (error,) = lines_of(folder / "out.run" / "errors.jsonl")
    assert error["x_run"]["line"] == 2
    assert error["x_run"]["class"] == "line_too_long"
    assert error["x_run"]["attempts"] == 0


def bomb(start: bytes, fill: bytes, end: bytes) -> bytes:
    """Return so many megabytes, packed."""
    packer = zlib.compressobj(1, wbits=31)
    many = b"".join(packer.compress(fill * MB) for _ in range(BOMB // MB))
    return packer.compress(start) + many + packer.compress(end) + packer.flush()


def chat(content: str) -> bytes:
    message = {"role": "assistant", "content": content}
    return orjson.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    )


def around() -> tuple[bytes, bytes]:
    start, end = chat("@").split(b"@")
    return start, end


async def against(server: RawServer, folder: Path, room: dict[int, int], *flags: object) -> Any:
    async with server:
        command = ("run", "in.jsonl", "-o", "out.jsonl", "--base-url", f"{server.url}/v1", *flags)
        return await asyncio.to_thread(limited, folder, *command, limits=room)


@pytest.mark.parametrize(
    ("path", "packed"),
    [
        ("/v1/chat/completions", True),
        ("/v1/chat/completions", False),
        ("/v1/images/generations", True),
    ],
    ids=["packed chat", "plain chat", "packed picture"],
)
def test_an_answer_of_300_megabytes_is_one_error_in_bounded_memory(
    tmp_path: Path, room: dict[int, int], path: str, packed: bool
) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}], "prompt": "x"}
    line = {"custom_id": "one", "method": "POST", "url": path, "body": body}
    (tmp_path / "in.jsonl").write_bytes(orjson.dumps(line) + b"\n")
    start, end = around()
    data = bomb(start, b"x", end) if packed else b""
    script = (
        (Act.READ, http(data, GZIP, JSON), Act.CLOSE)
        if packed
        else (
            Act.READ,
            head(JSON, f"Content-Length: {BOMB}"),
            start,
            *(b"x" * MB,) * (BOMB // MB),
            Act.CLOSE,
        )
    )

    said = asyncio.run(against(RawServer(script), tmp_path, room, "--max-attempts", 2))

    assert said.code == 3, said.err
    (error,) = lines_of(tmp_path / "out.run" / "errors.jsonl")
    assert "larger than" in error["error"]["message"]
    assert len(lines_of(tmp_path / "out.jsonl")) == 0


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)], ids=str)
def test_a_run_without_its_streams_is_done_like_any_other(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, 11)})

    said = limited(
        tmp_path,
        *("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--json"),
        preexec_fn=closing(*closed),
    )

    assert said.code == (73 if 1 in closed else 0), said.err
    assert len(lines_answered(tmp_path / "out.jsonl")) == 10


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_run_whose_reader_has_left_is_done_like_any_other(tmp_path: Path, stream: str) -> None:
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, 11)})
    reading, writing = os.pipe()
    os.close(reading)

    try:
        said = limited(
            tmp_path,
            *("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--json", "--progress", "plain"),
            **{stream: writing},
        )
    finally:
        os.close(writing)

    assert said.code == 0, said.err
    assert len(lines_answered(tmp_path / "out.jsonl")) == 10

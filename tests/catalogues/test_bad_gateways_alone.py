"""What a gateway can do wrong to all lines alike: each row has a run of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pytest

from tests.catalogues.bad_gateways_bytes import SMUGGLED
from tests.catalogues.kit import JSON, NO_PRICES, Ended, chat, reported, wbatch
from tests.raw_server import Act, RawServer, Script, http
from tests.transport.authorities import LONG_AGO, Authority
from tests.transport.kit import TLS_FILE

READ, CLOSE, HOLD = Act.READ, Act.CLOSE, Act.HOLD
WELL: Final = http(orjson.dumps(chat()), JSON)
LINES: Final = 30
MOST: Final = 10  # requests in vain


def prompts(folder: Path, count: int = LINES, text: str = "hello") -> None:
    """Write so many lines of chats."""
    line = orjson.dumps({"prompt": text}, option=orjson.OPT_APPEND_NEWLINE)
    (folder / "in.jsonl").write_bytes(line * count)


async def run(folder: Path, url: str, *flags: object) -> Ended:
    """Run the command over the lines."""
    (folder / "config.toml").write_text(NO_PRICES)
    at = ("--base-url", url, "--config", "config.toml", "-m", "gpt-4o-mini", "--max-attempts", 3)
    return await wbatch(folder, "run", "in.jsonl", "-o", "out.jsonl", *at, *flags)


def every(answer: bytes, count: int = 200) -> Script:
    """Answer each request of a connection so."""
    return (READ, answer) * count


def blocked(folder: Path) -> list[str]:
    """Return the classes for which lines wait."""
    summary = orjson.loads((folder / "out.run" / "run.json").read_bytes())
    return [one["class"] for one in summary["x_run"]["blocked"]]


class Hopeless(NamedTuple):
    """An answer to everything, by which no line can be answered."""

    answer: bytes
    closed: str  # class of what is closed
    says: str  # what people are told


def said(status: str, code: str, text: str = "said so") -> bytes:
    return http(reported(code, message=text), JSON, status=status)


HOPELESS: Final = {
    "402": Hopeless(http(status="402 Pay"), "no_money", "Put money into the account"),
    "403 without money": Hopeless(
        said("403 No", "insufficient_user_quota"), "no_money", "Put money into the account"
    ),
    "429 without money": Hopeless(
        said("429 No", "insufficient_user_quota"), "no_money", "Put money into the account"
    ),
    "200 without money": Hopeless(
        said("200 OK", "insufficient_user_quota"), "no_money", "Put money into the account"
    ),
    "401": Hopeless(said("401 No", ""), "bad_key", "Put a valid key"),
}


@pytest.mark.parametrize("row", HOPELESS.values(), ids=HOPELESS.keys())
def test_what_no_request_can_mend_ends_the_run_and_leaves_its_lines_pending(
    row: Hopeless, tmp_path: Path
) -> None:
    async def main() -> None:
        prompts(tmp_path)
        async with RawServer(every(row.answer)) as server:
            ended = await run(tmp_path, server.url)

        assert ended.code == 77
        assert ended.records() == ended.errors() == {}
        assert 1 <= len(server.got) <= MOST
        assert blocked(tmp_path) == [row.closed]
        assert row.says in ended.said
        assert f"{LINES} lines wait for it" in ended.said

    asyncio.run(main())


def test_a_key_that_expires_in_the_middle_leaves_what_was_on_its_way_pending(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        # Given: up to four connections, on each of which three are answered at the most
        prompts(tmp_path)
        expires = (*every(WELL, 3), *every(said("401 No", "")))
        async with RawServer(expires) as server:
            ended = await run(tmp_path, server.url, "-c", 4)

        answered = len(ended.records())
        assert ended.code == 77
        assert ended.errors() == {}
        assert 3 <= answered <= 3 * server.connections
        assert len(server.got) - answered <= 4

        # When the key is good again, the others are asked, and only they
        async with RawServer(every(WELL)) as server:
            ended = await run(tmp_path, server.url)
        assert ended.code == 0
        assert len(server.got) == LINES - answered

    asyncio.run(main())


class Away(NamedTuple):
    """A gateway that answers nobody."""

    script: Script
    says: str  # pattern of what people are told
    listens: bool = True
    url: str = ""  # if not the server's own
    secure: bool = False
    most: int = 8 + 8 + 3  # requests, or connections
    fail: int = 0  # lines at most: what was sent and may be paid is sent once more, and no oftener


# What a server that knows only TLS 1.0 answers to who asks for more: fatal, protocol version.
ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x46"
AWAY: Final = {
    "nobody listens": Away((), r"no connection to 127\.0\.0\.1", listens=False),
    "no such name": Away((CLOSE,), "the name of gateway.invalid", url="https://gateway.invalid"),
    "no handshake": Away((HOLD,), r"no connection to 127\.0\.0\.1:\d+ in time", secure=True),
    "no TLS": Away((http(b"plain"), HOLD), "speaks no TLS", secure=True),
    "TLS 1.0": Away((ALERT, HOLD), "speaks no version of TLS that is spoken here", secure=True),
    "hangs up": Away((READ, CLOSE), "hung up before it answered", most=32, fail=4),
    "500": Away(every(http(status="500 Odd")), r"the server had trouble \(HTTP 500"),
    "529": Away(every(http(status="529 Odd")), "the vendor sheds load", most=32),
    "a page": Away(every(http(b"<html>", status="403 Odd")), "a web page"),
    "429": Away(every(said("429 Slow", "")), "rate limit", most=32),
}


@asynccontextmanager
async def away(row: Away) -> AsyncIterator[RawServer]:
    async with RawServer(row.script) as server:
        if row.listens:
            yield server
            return
    yield server


@pytest.mark.parametrize("row", AWAY.values(), ids=AWAY.keys())
def test_a_gateway_that_answers_nobody_is_tried_a_few_times_and_fails_no_line(
    row: Away, tmp_path: Path
) -> None:
    async def main() -> None:
        prompts(tmp_path)
        async with away(row) as server:
            url = row.url or server.url
            url = url.replace("http:", "https:") if row.secure else url
            limits = ("--max-duration", 2, "--connect-timeout", 0.5, "--ca-bundle", TLS_FILE)
            ended = await run(tmp_path, url, *limits, "--log-file", "log.txt")

        assert ended.code == 4
        assert ended.records() == {}
        assert len(ended.errors()) <= row.fail
        assert max(len(server.got), server.connections) <= row.most
        assert re.search(row.says, (tmp_path / "log.txt").read_text())

    asyncio.run(main())


class Shown(NamedTuple):
    """A certificate that must not be accepted."""

    tls: Callable[[Path], ssl.SSLContext]
    says: str


def signed_by_itself(_: Path) -> ssl.SSLContext:
    """Return what a server with such a certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILE)
    return context


HERE: Final = "127.0.0.1"
SHOWN: Final = {
    "expired": Shown(
        lambda at: Authority(at).server(HERE, since=LONG_AGO - dt.timedelta(90), until=LONG_AGO),
        "expired on 2020-01-01",
    ),
    "of another host": Shown(lambda at: Authority(at).server("a.example"), "is for a.example"),
    "of an unknown authority": Shown(lambda at: Authority(at, "Else").server(HERE), "no authority"),
    "signed by itself": Shown(signed_by_itself, "signed by nobody but itself"),
}


@pytest.mark.parametrize("row", SHOWN.values(), ids=SHOWN.keys())
def test_a_certificate_that_is_no_good_ends_the_run_before_anything_is_sent(
    row: Shown, tmp_path: Path
) -> None:
    async def main() -> None:
        prompts(tmp_path)
        tls = row.tls(tmp_path)
        trusted = tmp_path / "Sample-Company.pem"
        if not trusted.exists():
            Authority(tmp_path)
        async with RawServer(every(WELL), tls=tls) as server:
            ended = await run(tmp_path, server.url, "--ca-bundle", trusted)

        assert ended.code == 77
        assert server.got == []
        assert ended.records() == ended.errors() == {}
        assert blocked(tmp_path) == ["untrusted_certificate"]
        assert row.says in ended.said

    asyncio.run(main())


def test_an_answer_before_the_request_was_read_is_understood(tmp_path: Path) -> None:
    async def main() -> None:
        # Given: requests that are still being written when they are refused
        prompts(tmp_path, 3, "x" * 3_000_000)
        refusal = http(
            reported("", message="too large"), JSON, "Connection: close", status="413 Large"
        )
        async with RawServer((refusal, HOLD)) as server:
            ended = await run(tmp_path, server.url, "-c", 1)

        assert ended.code == 3
        assert {one["x_run"]["class"] for one in ended.errors().values()} == {"refused"}
        assert server.connections == 3

    asyncio.run(main())


def test_a_second_answer_behind_the_first_is_given_to_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        prompts(tmp_path)
        async with RawServer(every(WELL + http(SMUGGLED, JSON))) as server:
            ended = await run(tmp_path, server.url, "-c", 1)

        everything = (tmp_path / "out.jsonl").read_text() + str(ended.errors())
        assert "smuggled" not in everything
        assert len(server.got) >= LINES

    asyncio.run(main())


def test_no_model_puts_a_header_or_a_request_into_a_call(tmp_path: Path) -> None:
    async def main() -> None:
        model = "gemini-x\r\nX-Injected: 1\r\n\r\nGET /../admin?key=1 HTTP/1.1\r\n#"
        line = {"model": model, "contents": [{"parts": [{"text": "hello"}]}]}
        (tmp_path / "in.jsonl").write_bytes(orjson.dumps(line))
        async with RawServer(every(http(status="400 No"))) as server:
            await run(tmp_path, server.url)

        for got in server.got:
            assert got.line.startswith("POST /v1beta/models/gemini-x%0D%0A")
            assert not re.search(r"[?# ]", got.line[5:].removesuffix(" HTTP/1.1"))
            assert "x-injected" not in got.headers

    asyncio.run(main())


def test_no_id_of_a_task_leads_to_another_path(tmp_path: Path) -> None:
    async def main() -> None:
        named = "../../admin?x=1#y\r\nX-Injected: 1"
        line = {"url": "/v1/videos", "body": {"model": "sora-2", "prompt": "a day"}}
        (tmp_path / "in.jsonl").write_bytes(orjson.dumps(line))
        queued = http(orjson.dumps({"id": named, "status": "queued"}), JSON, "retry-after-ms: 250")
        failed = http(orjson.dumps({"id": named, "status": "failed"}), JSON)
        async with RawServer((READ, queued, READ, failed)) as server:
            ended = await run(tmp_path, server.url)

        path = server.got[1].line.split(" ")[1]
        assert path.startswith("/v1/videos/")
        assert path.count("/") == 3
        assert not re.search(r"[?#]", path)
        assert "x-injected" not in server.got[1].headers
        assert ended.code == 3

    asyncio.run(main())

"""What goes out, what comes back, and where a key may never be."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from batch.errors import BadConfig, Interrupted, Overloaded, Throttled
from batch.records import Call, Field, FileRef, Form
from batch.secret import MASK, Secret
from batch.weights import LIGHT
from tests.raw_server import Act, RawServer, http
from tests.transport.kit import ASK, KEY, Joined, run, transport

PNG = b"\x89PNG\r\n\x1a\n"
READ, CLOSE, HOLD = Act.READ, Act.CLOSE, Act.HOLD
VALUE = KEY.reveal()


def test_a_call_goes_out_with_its_body_its_headers_and_the_key() -> None:
    async def main() -> None:
        call = Call("POST", "/v1/messages", b'{"a":1}', headers=(("anthropic-version", "1"),))
        async with (
            RawServer((READ, http(b"{}"))) as server,
            transport(server.url + "/v1/", user_agent="wenwen-batch/1") as network,
        ):
            await network.send(call, KEY)

        got = server.got[0]
        assert got.line == "POST /v1/messages HTTP/1.1"
        assert got.body == b'{"a":1}'
        assert got.headers["authorization"] == f"Bearer {VALUE}"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["anthropic-version"] == "1"
        assert got.headers["user-agent"] == "wenwen-batch/1"

    run(main())


def test_a_get_has_no_body_and_needs_no_key() -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"{}"))) as server, transport(server.url) as network:
            await network.send(Call("GET", "/v1/models", kind="poll"), None)

        assert server.got[0].body == b""
        assert server.got[0].headers.keys() & {"authorization", "content-type"} == set()

    run(main())


def test_a_body_of_several_megabytes_arrives_whole() -> None:
    async def main() -> None:
        body = b'"' + b"x" * (3 << 20) + b'"'
        async with RawServer((READ, http(b"{}"))) as server, transport(server.url) as network:
            await network.send(Call("POST", "/v1/x", body), KEY)

        assert server.got[0].body == body
        assert server.got[0].headers["content-type"] == "application/json"

    run(main())


LONG = b'"' + b"x" * (3 << 20) + b'"'


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (http(LONG, "Content-Type: application/json"), LONG),
        (http(b"data: " + LONG + b"\n\n", "Content-Type: text/event-stream"), LONG),
        (http(LONG, "Content-Type: application/json", status="500 Broken"), LONG),
    ],
    ids=["body", "events", "failure"],
)
def test_a_long_answer_comes_whole_and_is_told_of_while_it_comes(
    answer: bytes, body: bytes, loop: str
) -> None:
    async def main() -> None:
        grown: list[int] = []
        async with RawServer((READ, answer)) as server, transport(server.url) as network:
            reply = await network.send(ASK, KEY, Joined, grown.append)

        assert reply.body == body
        assert len(body) - LIGHT < sum(grown) <= len(answer)
        assert len(grown) > 3

    run(main(), loop)


def test_of_a_short_answer_nothing_is_told() -> None:
    async def main() -> None:
        grown: list[int] = []
        async with RawServer((READ, http(b"{}"))) as server, transport(server.url) as network:
            await network.send(ASK, KEY, Joined, grown.append)

        assert grown == []

    run(main())


def test_keys_share_connections_but_each_call_carries_its_own() -> None:
    async def main() -> None:
        script = (READ, http(b"{}"), READ, http(b"{}"), READ, http(b"{}"))
        async with RawServer(script) as server, transport(server.url) as network:
            for key in (KEY, Secret("claude", "sk-2"), KEY):
                await network.send(ASK, key)

        sent = [got.headers["authorization"] for got in server.got]
        assert sent == [f"Bearer {VALUE}", "Bearer sk-2", f"Bearer {VALUE}"]
        assert server.connections == 1

    run(main())


def test_another_host_gets_neither_the_key_nor_the_headers_of_the_call() -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"picture"))) as host,
            transport("http://127.0.0.1:9") as network,
        ):
            address = f"{host.url}/a%2Fb?sign=a%2Fb%3D&x=%e4"
            call = Call("GET", address, headers=(("x-api-key", VALUE),), origin="foreign")
            reply = await network.send(call, KEY)

        assert reply.body == b"picture"
        # The address goes out as it came: a signature covers its very letters.
        assert host.got[0].line == "GET /a%2Fb?sign=a%2Fb%3D&x=%e4 HTTP/1.1"
        assert VALUE not in repr(host.got)

    run(main())


def test_a_redirect_is_not_followed_so_that_the_key_stays_at_home() -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"{}"))) as elsewhere:
            there = http(b"", f"Location: {elsewhere.url}/", status="307 Temporary Redirect")
            async with RawServer((READ, there)) as server, transport(server.url) as network:
                reply = await network.send(ASK, KEY)

            assert reply.status == 307
            assert reply.headers["location"] == f"{elsewhere.url}/"
            assert elsewhere.connections == 0

    run(main())


@pytest.mark.parametrize("path", ["@evil.example/x", ".evil.example", ":1@evil", "v1/x", ""])
def test_what_is_no_path_cannot_turn_the_base_url_into_another_host(path: str) -> None:
    async def main() -> None:
        async with transport("https://gateway.invalid") as network:
            with pytest.raises(ValueError, match="no path"):
                await network.send(Call("POST", path, b"{}"), KEY)

    run(main())


def test_cookies_are_not_kept() -> None:
    async def main() -> None:
        answer = http(b"{}", "Set-Cookie: a=1", "Set-Cookie: b=2")
        script = (READ, answer, READ, answer)
        async with RawServer(script) as server, transport(server.url) as network:
            await network.send(ASK, KEY)
            await network.send(ASK, KEY)

        assert "cookie" not in server.got[1].headers

    run(main())


def test_headers_come_back_in_lower_case_and_the_first_of_repeated_ones() -> None:
    async def main() -> None:
        answer = http(b"{}", "X-Id: 1", "x-ID: 2", "Retry-After: 1", "Retry-After: 99", "X-Odd: é")
        async with RawServer((READ, answer)) as server, transport(server.url) as network:
            reply = await network.send(ASK, KEY)

        assert dict(reply.headers) == {
            "x-id": "1",
            "retry-after": "99",  # a proxy's wait and the gateway's: the longer one
            "x-odd": "\N{REPLACEMENT CHARACTER}",
            "content-length": "2",
        }

    run(main())


def test_of_two_waits_that_are_no_numbers_the_first_counts() -> None:
    async def main() -> None:
        answer = http(b"{}", "Retry-After: soon", "Retry-After: 7")
        async with RawServer((READ, answer)) as server, transport(server.url) as network:
            assert (await network.send(ASK, KEY)).headers["retry-after"] == "soon"

    run(main())


def test_a_reply_says_when_it_was_asked_and_how_long_it_took() -> None:
    async def main() -> None:
        ready = asyncio.Event()
        async with RawServer((READ, ready, http(b"{}"))) as server, transport(server.url) as net:
            asyncio.get_running_loop().call_later(0.05, ready.set)
            reply = await net.send(ASK, KEY)

        assert reply.started_at == 1_700_000_000.5
        assert 45 <= reply.ms < 5000

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        http(b"{}", "Content-Type: application/json"),
        http(b"<p>", "Content-Type: text/html"),
        http(b"data: 1\n\n", "Content-Type: text/event-stream", status="500 No"),
    ],
    ids=["JSON", "page", "failure"],
)
def test_no_folder_is_made_for_an_answer_that_is_no_stream(answer: bytes) -> None:
    made: list[Joined] = []

    def folding() -> Joined:
        made.append(Joined())
        return made[-1]

    async def main() -> None:
        async with RawServer((READ, answer)) as server, transport(server.url) as network:
            assert not (await network.send(ASK, KEY, folding)).streamed

    run(main())

    assert made == []


def test_a_key_that_the_gateway_echoes_is_removed() -> None:
    async def main() -> None:
        echo = VALUE.encode()
        script = (
            *(READ, http(echo, f"X-Id: {VALUE}")),
            *(READ, http(b"data: " + echo + b"\n\n", "Content-Type: text/event-stream")),
            *(READ, b"HTTP/1.1 " + echo + b"\r\n\r\n", CLOSE),
        )
        async with RawServer(script) as server, transport(server.url) as network:
            reply = await network.send(ASK, KEY)
            folded = await network.send(ASK, KEY, Joined)
            with pytest.raises(Interrupted) as failure:
                await network.send(ASK, KEY)

        assert (reply.body, reply.headers["x-id"]) == (MASK.encode(), MASK)
        assert folded.body == MASK.encode()
        assert MASK in failure.value.message
        assert VALUE not in str(failure.value)
        # What aiohttp raised knows the request, and so the key: no traceback may show it.
        assert failure.value.__cause__ is None
        assert failure.value.__suppress_context__

    run(main())


def test_a_failure_that_a_folder_finds_ends_the_call_without_the_key() -> None:
    class Finds(Joined):
        def feed(self, event: bytes) -> None:
            raise Overloaded(f"busy, says {event.decode()}", body=event)

    async def main() -> None:
        events = b"data: " + VALUE.encode() + b"\n\n"
        begun = http(events, "Content-Type: text/event-stream", length=999)
        async with RawServer((READ, begun, HOLD)) as server, transport(server.url) as network:
            with pytest.raises(Overloaded) as failure:
                await network.send(ASK, KEY, Finds)
            await server.left.wait()

        assert str(failure.value) == failure.value.message == f"busy, says {MASK}"
        assert failure.value.body == MASK.encode()

    run(main())


@pytest.mark.parametrize(("events", "precedes"), [(1, True), (2, False)])
def test_a_failure_within_an_answer_that_has_begun_does_not_precede_the_work(
    events: int, precedes: bool
) -> None:
    class Finds(Joined):
        def feed(self, event: bytes) -> None:
            super().feed(event)
            if len(self.events) == events:
                raise Throttled("slow down")

    async def main() -> None:
        begun = http(b"data: 1\n\n" * events, "Content-Type: text/event-stream")
        async with RawServer((READ, begun)) as server, transport(server.url) as network:
            with pytest.raises(Throttled) as failure:
                await network.send(ASK, KEY, Finds)

        assert failure.value.precedes_work is precedes

    run(main())


def test_a_bug_is_no_failure_of_the_call() -> None:
    class Buggy(Joined):
        def feed(self, event: bytes) -> None:
            raise KeyError(event)

    async def main() -> None:
        begun = http(b"data: 1\n\n", "Content-Type: text/event-stream", length=999)
        async with RawServer((READ, begun, HOLD)) as server, transport(server.url) as network:
            with pytest.raises(KeyError):
                await network.send(ASK, KEY, Buggy)

    run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "begun", [b"", http(b"data: 1", "Content-Type: text/event-stream", length=99)]
)
def test_a_cancelled_call_hangs_up(begun: bytes, loop: str) -> None:
    async def main() -> None:
        async with RawServer((READ, begun, HOLD)) as server, transport(server.url) as network:
            call = asyncio.create_task(network.send(ASK, KEY, Joined))
            while not server.got:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await server.left.wait()

    run(main(), loop)


def test_a_bundle_that_cannot_be_read_is_a_bad_setting() -> None:
    async def main() -> None:
        with pytest.raises(BadConfig, match=r"nowhere\.pem"):
            async with transport("https://gateway.invalid", ca_bundle="nowhere.pem"):
                pass

    run(main())


def test_a_form_is_built_anew_for_every_attempt(tmp_path: Path) -> None:
    async def main() -> None:
        picture = tmp_path / "picture"
        file = FileRef("file:picture", name="na\u00efve \u56fe")
        form = Form((Field("prompt", "a \u732b"), Field("image[]", file), Field("image[]", file)))
        call = Call("POST", "/v1/images/edits", form, repeat="once")
        async with (
            RawServer((READ, CLOSE), (READ, http(b"{}"))) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            # Given an attempt that failed, and a file that has changed since
            picture.write_bytes(PNG + b"old")
            with pytest.raises(Interrupted):
                await network.send(call, KEY)
            picture.write_bytes(PNG + b"new" * 200_000)

            await network.send(call, KEY)

        first, second = server.got
        assert re.match("multipart/form-data; boundary=", second.headers["content-type"])
        assert first.body.count(b"old") == 2
        assert second.body.count(b"new" * 200_000) == 2
        name = 'name="image[]"; filename="na\u00efve \u56fe.png"'.encode()
        assert second.body.count(name) == 2
        assert second.body.count(b"Content-Type: image/png") == 2
        assert 'name="prompt"\r\n\r\na \u732b\r\n'.encode() in second.body

    run(main())

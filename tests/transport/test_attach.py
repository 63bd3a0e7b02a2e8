"""Files that a call names are read when it is sent, from where they may be, and only there."""

from __future__ import annotations

import asyncio
import contextlib
import os
from base64 import b64encode
from pathlib import Path

import pytest

from batch.errors import BadFile, CallFailed, FileUnread
from batch.records import Call, Field, FileRef, Form, Spliced
from batch.transport.local import LocalFile, find
from batch.weights import LIGHT
from tests.raw_server import Act, RawServer, http
from tests.transport.kit import KEY, run, transport

READ, RESET = Act.READ, Act.RESET
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
ENCODED = b64encode(PNG)
OK = http(b"{}")


def spliced(*sources: str, encoding: str = "base64") -> Call:
    refs = tuple(FileRef(source, encoding, most=1000) for source in sources)  # type: ignore[arg-type]
    pieces = [piece for ref in refs for piece in (ref, b'","')]
    return Call("POST", "/v1/x", Spliced((b'{"a":["', *pieces, b'"]}')))


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("base64", ENCODED),
        ("data_uri", b"data:image/png;base64," + ENCODED),
        ("type", b"image/png"),
    ],
)
@pytest.mark.parametrize(
    "source", ["file:a.dat", "file://a.dat", f"data:;base64,{ENCODED.decode()}"]
)
def test_a_file_is_written_into_the_body_as_its_format_wants_it(
    encoding: str, written: bytes, source: str, tmp_path: Path
) -> None:
    async def main() -> None:
        (tmp_path / "a.dat").write_bytes(PNG)
        async with (
            RawServer((READ, OK)) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            await network.send(spliced(source, encoding=encoding), KEY)

        assert server.got[0].body == b'{"a":["' + written + b'",""]}'
        assert server.got[0].headers["content-type"] == "application/json"

    run(main())


# Larger than what is read at once, and no multiple of three.
LARGE = PNG + bytes(range(256)) * 5000 + b"end"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("source", ["file:a.png", f"data:;base64,{b64encode(LARGE).decode()}"])
def test_a_large_file_arrives_as_it_is_though_it_is_never_held_as_a_whole(
    source: str, loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        (tmp_path / "a.png").write_bytes(LARGE)
        ref = FileRef(source, "data_uri", name="image")
        body = Spliced((b'{"a":"', ref, b'","b":"', ref, b'"}'))
        async with (
            RawServer((READ, OK, READ, OK)) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            await network.send(Call("POST", "/v1/x", body), KEY)
            await network.send(Call("POST", "/v1/x", Form((Field("image", ref),))), KEY)

        uri = b"data:image/png;base64," + b64encode(LARGE)
        in_json, in_form = (got.body for got in server.got)
        assert in_json == b'{"a":"%b","b":"%b"}' % (uri, uri)
        assert b'filename="image.png"\r\n\r\n' + LARGE + b"\r\n--" in in_form

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "touched"])
def test_a_file_that_changes_while_it_is_sent_is_named_and_its_call_given_up(
    cut: bool, loop: str, tmp_path: Path
) -> None:
    """It has more bytes than the sockets on both sides take, as long as nobody reads."""
    path, size, got = tmp_path / "a.png", 40 << 20, bytearray()
    hung_up = asyncio.Event()
    path.write_bytes(PNG)
    os.truncate(path, size)

    async def changes_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if cut:
            os.truncate(path, 1000)
        else:
            os.utime(path, ns=(1, 1))
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                got.extend(chunk)
        writer.close()
        hung_up.set()

    async def main() -> None:
        server = await asyncio.start_server(changes_it, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server, transport(f"http://{host}:{port}", allow_files=str(tmp_path)) as network:
            call = Call("POST", "/v1/x", Spliced((FileRef("file:a.png", "base64"),)))
            with pytest.raises(BadFile, match=r"a\.png.* changed while it was sent") as caught:
                await network.send(call, KEY)
            await hung_up.wait()
        assert caught.value.local
        assert caught.value.before_work
        assert 0 < len(got) < size

    run(main(), loop)


def test_a_file_that_is_gone_when_its_turn_comes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(LARGE)
    found = find(str(tmp_path), "file:a.png", len(LARGE))
    assert isinstance(found, LocalFile)

    (tmp_path / "a.png").unlink()

    with pytest.raises(BadFile, match="No such file"):
        found.slice(0)


def test_it_is_told_how_many_bytes_of_files_are_held(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "small.png").write_bytes(PNG)
        (tmp_path / "large.png").write_bytes(LARGE)
        grown: list[int] = []
        async with (
            RawServer((READ, http(LARGE))) as web,
            RawServer((READ, OK)) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            refs = [FileRef(f"file:{name}.png", "base64") for name in ("small", "large")]
            refs += [FileRef(f"{web.url}/a.png", "base64")]
            await network.send(Call("POST", "/v1/x", Spliced(tuple(refs))), KEY, None, grown.append)

        # The large local one is read while it is sent.
        assert len(LARGE) - LIGHT < sum(grown) - len(PNG) <= len(LARGE)

    run(main())


def test_the_web_is_asked_without_a_key_and_redirects_are_followed() -> None:
    async def main() -> None:
        async with RawServer((READ, http(PNG, "Content-Type: image/png"))) as far:
            there = http(b"", f"Location: {far.url}/b.png", status="302 Found")
            async with RawServer((READ, there)) as near, RawServer((READ, OK)) as gateway:
                async with transport(gateway.url) as network:
                    await network.send(spliced(f"{near.url}/a.png?sig=%2F"), KEY)

                assert ENCODED in gateway.got[0].body
                assert "authorization" in gateway.got[0].headers
                assert "authorization" not in near.got[0].headers
                assert near.got[0].line == "GET /a.png?sig=%2F HTTP/1.1"
            assert "authorization" not in far.got[0].headers

    run(main())


def refused_sources(folder: Path) -> dict[str, str]:
    """Make a folder of files that must not be read, and return what a line may call them."""
    allowed = folder / "allowed"
    allowed.mkdir()
    (folder / "secret.txt").write_bytes(b"secret")
    (allowed / "link.png").symlink_to(folder / "secret.txt")
    (allowed / "large.png").write_bytes(PNG * 100)
    (allowed / "empty.png").touch()
    os.mkfifo(allowed / "pipe.png")
    return {
        "a path that leaves the folder": "file:../secret.txt",
        "an absolute path": f"file:{folder}/secret.txt",
        "a link that leaves the folder": "file:link.png",
        "a folder": "file:.",
        "a pipe": "file:pipe.png",
        "nothing": "file:missing.png",
        "a name with a zero byte": "file:a\0b",
        "an empty file": "file:empty.png",
        "too large": "file:large.png",
        "too large a data URI": f"data:;base64,{b64encode(PNG * 100).decode()}",
        "no base64": "data:image/png;base64,%%%",
        "no file at all": "C:\\pictures\\a.png",
    }


def test_what_may_not_be_read_is_named_and_costs_no_request(tmp_path: Path) -> None:
    async def main() -> None:
        for what, source in refused_sources(tmp_path).items():
            async with (
                RawServer((READ, OK)) as server,
                transport(server.url, allow_files=str(tmp_path / "allowed")) as network,
            ):
                for call in (spliced(source), Call("POST", "/v1/x", form_of(source))):
                    with pytest.raises(BadFile) as failure:
                        await network.send(call, KEY)
                    assert "secret" not in failure.value.message.replace("secret.txt", ""), what
                assert server.connections == 0, what

    run(main())


def form_of(source: str) -> Form:
    return Form((Field("prompt", "a"), Field("image", FileRef(source, name="image", most=1000))))


def test_a_line_that_names_one_file_ever_so_often_fills_no_memory(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "a.png").write_bytes(PNG.ljust(1 << 20, b"\0"))
        ref = FileRef("file:a.png", name="image")
        async with (
            RawServer((READ, OK)) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            form = Form(tuple(Field(f"image{number}", ref) for number in range(129)))
            pieces = Spliced((ref,) * 129)
            for call in (Call("POST", "/v1/x", pieces), Call("POST", "/v1/x", form)):
                with pytest.raises(BadFile, match="134,217,728 bytes together"):
                    await network.send(call, KEY)
            assert server.connections == 0

    run(main())


def test_no_key_is_in_what_is_said_of_a_file() -> None:
    async def main() -> None:
        async with RawServer((READ, OK)) as server, transport(server.url) as network:
            with pytest.raises(BadFile) as failure:
                await network.send(spliced(f"file:{KEY.reveal()}.png"), KEY)

        assert KEY.reveal() not in str(failure.value)

    run(main())


def test_no_local_file_is_read_unless_a_folder_is_allowed(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "a.png").write_bytes(PNG)
        async with RawServer((READ, OK)) as server, transport(server.url) as network:
            with pytest.raises(BadFile, match="--allow-files"):
                await network.send(spliced(f"file:{tmp_path}/a.png"), KEY)
            assert server.connections == 0

    run(main())


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (http(b"no", status="404 Not Found"), BadFile),
        (http(b""), BadFile),
        (http(PNG * 100), BadFile),
        (http(b"", status="302 Found"), BadFile),
        (http(b"", "Location: http://[bad/", status="302 Found"), BadFile),
        (http(b"busy", status="503 Busy"), FileUnread),
        (http(b"later", status="429 Slow"), FileUnread),
        (RESET, FileUnread),
    ],
    ids=[
        "404",
        "nothing",
        "too large",
        "a redirect to nowhere",
        "to no address",
        "503",
        "429",
        "a reset",
    ],
)
def test_trouble_of_a_files_host_is_not_the_gateways(
    answer: bytes | Act, failure: type[CallFailed]
) -> None:
    async def main() -> None:
        async with (
            RawServer(*[(READ, answer)] * 3) as host,
            RawServer((READ, OK)) as gateway,
            transport(gateway.url) as network,
        ):
            with pytest.raises(failure) as caught:
                await network.send(spliced(f"{host.url}/a.png"), KEY)

            assert caught.value.local
            assert caught.value.before_work
            assert gateway.connections == 0

    run(main())


def test_a_file_in_a_form_has_the_extension_and_type_of_its_first_bytes(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "cat.jpg").write_bytes(PNG)
        async with (
            RawServer((READ, OK)) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            await network.send(Call("POST", "/v1/x", form_of("file:cat.jpg")), KEY)

        body = server.got[0].body
        assert b'name="image"; filename="image.png"' in body
        assert b"Content-Type: image/png" in body
        assert PNG in body

    run(main())


def test_a_name_of_a_field_with_a_line_break_is_refused() -> None:
    async def main() -> None:
        async with RawServer((READ, OK)) as server, transport(server.url) as network:
            with pytest.raises(BadFile, match="form"):
                await network.send(Call("POST", "/v1/x", Form((Field("a\r\nb", "c"),))), KEY)
            assert server.connections == 0

    run(main())

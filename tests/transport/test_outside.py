"""What others name is asked for on the web only, unless the gateway itself is elsewhere."""

from __future__ import annotations

import pytest

from batch.errors import BadFile, FileGone
from batch.records import Call, FileRef, Spliced
from batch.transport.outside import is_private
from tests.raw_server import Act, RawServer, http
from tests.transport.kit import KEY, run, transport

READ = Act.READ
PUBLIC = "https://8.8.8.8:1"  # a gateway that is never asked here


def fetch(address: str) -> Call:
    return Call("GET", address, kind="fetch", origin="foreign", expect="file", save_as="a")


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.0.1", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),
        ("::1", True),
        ("[::1]", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("fd00::1", True),
        ("::127.0.0.1", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:7f00:1::", True),
        ("224.0.0.1", True),
        ("ff02::1", True),
        ("127.1", True),
        ("2130706433", True),
        ("64:ff9b::808:808", False),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("::ffff:8.8.8.8", False),
        ("files.example", False),
        ("", False),
    ],
)
def test_private_addresses_are_told_from_others(host: str, private: bool) -> None:
    assert is_private(host) is private


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_gateway_on_the_web_cannot_send_us_to_this_machine(host: str) -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"secret"))) as server, transport(PUBLIC) as network:
            address = f"http://{host}:{server.port}/a"
            with pytest.raises(FileGone):
                await network.send(fetch(address), KEY)

            line = Spliced((b'{"a":"', FileRef(address, "base64"), b'"}'))
            with pytest.raises(BadFile):
                await network.send(Call("POST", "/v1/x", line), KEY)

            assert server.connections == 0

    run(main())


def test_a_gateway_on_this_machine_has_its_files_here() -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"{}"))) as server:
            async with transport("http://localhost:9") as network:
                reply = await network.send(fetch(f"{server.url}/a"), KEY)

            assert reply.status == 200

    run(main())


@pytest.mark.parametrize(
    "address", ["ftp://files.example/a", "file:///etc/passwd", "http://", "http://[::1/a", "x"]
)
def test_what_is_no_web_address_is_no_file(address: str) -> None:
    async def main() -> None:
        async with transport(PUBLIC) as network:
            with pytest.raises(FileGone, match="no web address"):
                await network.send(fetch(address), KEY)

    run(main())

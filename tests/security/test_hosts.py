"""The key goes to the gateway and to nobody else, and nothing is asked of whoever others name."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from batch.errors import CallFailed
from batch.notices.post import session
from batch.records import Call
from batch.transport.trust import tls_context
from tests.raw_server import Act, Script, http
from tests.security.desk import KEY, Desk, Server, all_traces, keys_seen, serving
from tests.transport.kit import KEY as SECRET
from tests.transport.kit import run, transport

READ = Act.READ
IMAGES = "/v1/images/generations"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PICTURE = (READ, http(PNG, "Content-Type: image/png", "Set-Cookie: theirs=1"))
DRAWN = {"model": "gpt-image-1", "prompt": "a buoy"}
NETRC_PASSWORD = "netrc-canary-0123456789"


def named(*addresses: str) -> bytes:
    """Return an answer whose pictures are elsewhere."""
    body = json.dumps({"created": 1, "data": [{"url": one} for one in addresses]})
    return http(body.encode(), "Content-Type: application/json", "Set-Cookie: ours=1; Path=/")


def moved(status: int, location: str) -> Script:
    return READ, http(b"", f"Location: {location}", status=f"{status} Moved")


@contextmanager
def several(*scripts: tuple[Script, ...]) -> Iterator[list[Server]]:
    """Serve on as many ports, each with scripts of its own."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(*script)) for script in scripts]


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (301, "localhost"),
        (302, "127.0.0.1"),
        (303, "localhost"),
        (307, "127.0.0.1"),
        (308, "[::1]"),
    ],
)
def test_no_redirect_of_the_gateway_takes_the_key_elsewhere(
    status: int, name: str, desk: Desk
) -> None:
    with several(((READ, http(b"{}")),), ()) as (other, gateway):
        gateway.answer(moved(status, f"http://{name}:{other.port}/v1"))
        left = desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", gateway.url)

    assert left.code == 77
    assert f"{name}:{other.port}" in left.said
    assert other.got == []
    assert len(gateway.got) == 1


def test_the_hosts_of_files_see_no_key_no_cookie_and_no_login_of_netrc(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = desk.folder / ".netrc"
    netrc.touch(mode=0o600)
    netrc.write_text(f"default login me password {NETRC_PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(desk.folder))
    desk.lines({**DRAWN, "n": 5}, url=IMAGES)

    with several((PICTURE,), (PICTURE,), (), (), ()) as servers:
        host, far, by_way_of, returning, gateway = servers
        by_way_of.answer(moved(307, f"http://localhost:{far.port}/far.png"))
        returning.answer(moved(302, f"{gateway.url}/own.png"))
        there = [
            f"{host.url}/a.png",
            f"http://me:their-word@127.0.0.1:{host.port}/b.png",
            f"{by_way_of.url}/c.png",
            f"{returning.url}/d.png",
            f"{gateway.url}/e.png",
        ]
        gateway.answer((READ, named(*there)), PICTURE)
        left = desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", gateway.url)
        others = servers[:-1]

    assert left.code == 0, left.said
    assert KEY in gateway.got[0].headers["authorization"]
    assert len(gateway.got) == 3
    assert [len(one.got) for one in others] == [2, 1, 1, 1]
    asked = [got for one in others for got in one.got] + gateway.got[1:]
    assert keys_seen(others) == []
    for got in asked:
        assert KEY not in str(got.headers)
        assert "cookie" not in got.headers
        assert NETRC_PASSWORD not in str(got.headers)
    # What an address says itself is for the host that it names, and for no other.
    assert ["authorization" in got.headers for got in asked] == [False, True, *[False] * 5]


def test_no_cookie_is_kept_and_no_netrc_takes_the_place_of_the_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = desk.folder / ".netrc"
    netrc.touch(mode=0o600)
    netrc.write_text(f"machine 127.0.0.1 login me password {NETRC_PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    desk.lines({}, {}, {})
    refusal = http(b'{"error":{"message":"no"}}', "Set-Cookie: a=1", status="400 Bad Request")

    with serving((READ, refusal)) as gateway:
        desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", gateway.url, "-c", 1)

    assert [got.headers["authorization"] for got in gateway.got] == [f"Bearer {KEY}"] * 3
    assert not [got for got in gateway.got if "cookie" in got.headers]


# Names of this machine and of private places, however they are spelled; and what is not the web.
INSIDE = [
    "http://127.0.0.1/a", "http://127.1/a", "http://2130706433/a", "http://0x7f000001/a",
    "http://0177.0.0.1/a", "http://017700000001/a", "http://0/a", "http://0.0.0.0/a",
    "http://[::1]/a", "http://[::ffff:127.0.0.1]/a", "http://[::ffff:7f00:1]/a",
    "http://[64:ff9b::7f00:1]/a", "http://[fe80::1%25lo]/a", "http://localhost/a",
    "http://localhost./a", "http://LOCALHOST/a", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest", "http://10.0.0.1/a", "http://100.100.100.200/a",
    "http://me:x@127.0.0.1/a", "http://8.8.8.8@127.0.0.1/a", "http://127.0.0.1#@8.8.8.8/a",
    "http://127。0。0。1/a", "http://①②⑦.0.0.1/a",
    "file:///etc/passwd", "gopher://127.0.0.1/_x", "ftp://8.8.8.8/a", "data:image/png;base64,AA==",
    "javascript:alert(1)", "//127.0.0.1/a", "http:127.0.0.1/a", "http:///127.0.0.1/a",
    "unix:/run/docker.sock", "http://%31%32%37.0.0.1/a",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_answer_of_the_web_leads_nobody_to_this_machine_or_its_network(address: str) -> None:
    call = Call("GET", address, kind="fetch", origin="foreign", expect="file", save_as="a")

    async def main() -> None:
        # Time is short: what would be asked all the same fails otherwise.
        async with transport("https://8.8.8.8:1", connect_seconds=0.05) as network:
            with pytest.raises(CallFailed) as refused:
                await network.send(call, SECRET)

            said = str(refused.value)
            assert any(why in said for why in ("was not asked", "no web address", "is not known"))

    run(main())


@pytest.mark.parametrize("status", [302, 307])
def test_a_host_of_the_web_redirects_nobody_inside(status: int, desk: Desk) -> None:
    # Here the gateway is on this machine, so that its files may be; what is no web address may not.
    desk.lines(DRAWN, url=IMAGES)
    with several((moved(status, "file:///etc/passwd"),), ()) as (host, gateway):
        gateway.answer((READ, named(f"{host.url}/a.png")))
        left = desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", gateway.url)

    assert left.code == 3
    assert "root:" not in str(left.files)
    assert not [name for name in left.files if name.startswith("o.run/files/")]
    assert all_traces(left) == []


def test_tls_before_1_2_is_spoken_with_nobody() -> None:
    # What a system may allow to its old programs is not allowed to this one.
    async def of_notices() -> ssl.SSLContext:
        async with session("x", None) as posting:
            tls = posting.connector._ssl  # type: ignore[union-attr]
            assert isinstance(tls, ssl.SSLContext)
            return tls

    for context in (asyncio.run(of_notices()), tls_context(None)):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_key_goes_in_the_clear_to_this_machine_alone(desk: Desk) -> None:
    said = [
        desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", url)
        for url in ("http://gw.example/v1", "http://10.0.0.1", "http://localhost.example")
    ]

    assert [one.code for one in said] == [78, 78, 78]
    assert all("would show the key to the network" in one.said for one in said)

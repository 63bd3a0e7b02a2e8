"""Whom TLS trusts, and what people are told of whom it does not."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import ssl
from pathlib import Path

import pytest

from batch.errors import BadConfig, CallFailed, FileUnread, Unreachable, Untrusted
from batch.records import Call, FileRef, Spliced
from batch.transport.proxy import read_proxy
from batch.transport.trust import Distrust, explained, tls_context
from tests.raw_server import Act, RawServer, http
from tests.transport.authorities import COMPANY, LONG_AGO, Authority
from tests.transport.kit import ASK, KEY, TLS_FILE, run, transport
from tests.transport.proxy_server import Listener, ProxyServer

READ = Act.READ
SOON = dt.datetime(2080, 1, 1, tzinfo=dt.UTC)
ISSUER = f"'Proxies' of '{COMPANY}'"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Other")


async def failure(tls: ssl.SSLContext, bundle: str, host: str = "127.0.0.1") -> CallFailed:
    """Return what a call to a server fails with that speaks so, asked by a name of it."""
    async with RawServer((READ, http(b"{}")), tls=tls) as server:
        url = server.url.replace("127.0.0.1", host)
        async with transport(url, ca_bundle=bundle) as network:
            with pytest.raises(Untrusted) as failed:
                await network.send(ASK, KEY)
        assert server.got == []
    return failed.value


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_issuer_that_nobody_knows_is_named_with_the_setting(
    authority: Authority, other: Authority, loop: str
) -> None:
    async def main() -> None:
        failed = await failure(authority.server("127.0.0.1"), other.bundle)

        assert failed.message == (
            f"the TLS certificate of 127.0.0.1 was issued by {ISSUER}, which is no authority that "
            "is trusted here. A company's proxy signs anew what passes it: ask for the "
            "certificate it signs with, and name the file with --ca-bundle FILE or SSL_CERT_FILE "
            f"(now it is {other.bundle})"
        )
        assert failed.precedes_work

    run(main(), loop)


def test_one_that_has_expired_says_since_when_and_who_mends_it(authority: Authority) -> None:
    async def main() -> None:
        since = LONG_AGO - dt.timedelta(90)
        tls = authority.server("127.0.0.1", since=since, until=LONG_AGO)

        failed = await failure(tls, authority.bundle)

        assert failed.message == (
            f"the TLS certificate of 127.0.0.1 (issued by {ISSUER}) expired on 2020-01-01: who "
            "runs the host must renew it, or this machine's clock is wrong"
        )

    run(main())


def test_one_that_is_not_valid_yet_says_from_when_it_is(authority: Authority) -> None:
    async def main() -> None:
        tls = authority.server("127.0.0.1", since=SOON, until=SOON + dt.timedelta(90))

        failed = await failure(tls, authority.bundle)

        assert "is not valid yet: it begins to be so on 2080-01-01" in failed.message
        assert failed.message.endswith("or this machine's clock is wrong")

    run(main())


def test_one_of_another_host_says_for_which_hosts_it_is(authority: Authority) -> None:
    async def main() -> None:
        names = [f"{letter}.example" for letter in "abcdef"]

        failed = await failure(authority.server(*names), authority.bundle, "localhost")

        assert failed.message.startswith(
            "the TLS certificate of localhost is for a.example, b.example, c.example, d.example "
            f"and 2 more, and not for localhost (issued by {ISSUER})."
        )

    run(main())


def test_one_that_is_signed_by_itself_says_how_to_trust_it(authority: Authority) -> None:
    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS_FILE)

        failed = await failure(context, authority.bundle)

        assert "is signed by nobody but itself" in failed.message
        assert "trust it with --ca-bundle FILE or SSL_CERT_FILE" in failed.message

    run(main())


def test_no_message_names_a_way_to_trust_everybody(authority: Authority) -> None:
    wrong = ssl.SSLCertVerificationError(1, "what OpenSSL says")
    for code in range(100):
        wrong.verify_code, wrong.verify_message = code, "openssl's own words"  # type: ignore[misc]
        text = explained(wrong, "gateway.example", None, None)
        assert "gateway.example" in text
        assert not re.search(r"insecure|verify|disable|turn", text)


def test_a_machine_without_any_authority_is_told_which_package_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    wrong = ssl.SSLCertVerificationError(1, "what OpenSSL says")
    wrong.verify_code = 20

    assert "install the package ca-certificates" in explained(wrong, "g.example", None, None)

    (tmp_path / "one.pem").write_text("as it were")
    assert "A company's proxy signs anew" in explained(wrong, "g.example", None, None)


def test_many_calls_that_fail_together_look_at_the_certificate_once_more_and_no_oftener(
    authority: Authority, other: Authority
) -> None:
    async def main() -> None:
        tls = authority.server("127.0.0.1")
        async with RawServer((READ, http(b"{}")), tls=tls) as server:
            async with transport(server.url, ca_bundle=other.bundle) as network:
                for _ in range(5):
                    with pytest.raises(Untrusted, match=COMPANY):
                        await network.send(ASK, KEY)

            assert server.connections == 1  # the five others went before they were through

    run(main())


def test_a_certificate_is_looked_at_through_the_proxy_too(
    authority: Authority, other: Authority
) -> None:
    async def main() -> None:
        tls = authority.server("gateway.example")
        async with (
            RawServer((READ, http(b"{}")), tls=tls) as server,
            ProxyServer(server.port) as proxy,
            transport(
                "https://gateway.example", ca_bundle=other.bundle, proxies=proxy.proxies()
            ) as network,
        ):
            with pytest.raises(Untrusted, match=f"gateway.example was issued by {ISSUER}"):
                await network.send(ASK, KEY)

            assert proxy.tunnels == ["gateway.example:443"] * 2

    run(main())


def test_a_proxy_that_answers_byte_by_byte_keeps_nobody_from_being_told() -> None:
    class Drips(Listener):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                writer.write(b"y")
                await writer.drain()
                await asyncio.sleep(0.01)

    async def main() -> None:
        wrong = ssl.SSLCertVerificationError()
        wrong.verify_code = 20
        async with Drips() as proxy:
            way = read_proxy(f"http://127.0.0.1:{proxy.port}", "HTTPS_PROXY")
            said = await Distrust(None, seconds=0.1).said(wrong, "gateway.example", 443, way)

        assert said.startswith("the TLS certificate of gateway.example was issued by somebody")

    run(main())


def test_a_host_of_files_that_is_not_trusted_says_nothing_of_the_gateway(
    authority: Authority, other: Authority
) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"{}")), tls=authority.server("127.0.0.1")) as server,
            transport("http://127.0.0.1:9", ca_bundle=other.bundle) as network,
        ):
            with pytest.raises(Unreachable, match=COMPANY) as failed:
                await network.send(Call("GET", f"{server.url}/a", origin="foreign"), None)
            assert type(failed.value) is Unreachable

            line = Spliced((b'{"a":"', FileRef(f"{server.url}/a", "base64"), b'"}'))
            with pytest.raises(FileUnread, match=COMPANY):
                await network.send(Call("POST", "/v1/x", line), KEY)

    run(main())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no certificate that can be read"),
        (b"no PEM\n", "holds no certificate that can be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
        (b"0\x82\x01\x01", "openssl x509 -inform der"),
    ],
)
def test_a_bundle_without_a_certificate_is_refused(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)

    with pytest.raises(BadConfig, match=said) as refusal:
        tls_context(str(bundle))

    assert str(bundle) in str(refusal.value)
    assert refusal.value.exit_code == 78

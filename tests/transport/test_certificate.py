"""What is read from a certificate, by whomever it was made."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from batch.transport.certificate import read_certificate
from tests.transport.authorities import Authority
from tests.transport.kit import TLS_FILE

SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(2071, 2, 3, 4, 5, 6, tzinfo=dt.UTC)


def trusted() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(TLS_FILE)
    return context


WHOLE = trusted().get_ca_certs(binary_form=True)[0]


def der(leaf: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())


def test_issuer_names_and_time_are_read(tmp_path: Path) -> None:
    leaf = Authority(tmp_path).issue(
        "gateway.example", "*.b.example", "10.1.2.3", "fd00::1", since=SINCE, until=UNTIL
    )

    seen = read_certificate(der(leaf))

    assert seen.issuer == "'Proxies' of 'Sample Company'"
    assert seen.names == ("gateway.example", "*.b.example", "10.1.2.3", "fd00::1")
    assert (seen.since, seen.until) == (SINCE, UNTIL)


def test_what_a_certificate_says_of_itself_agrees_with_pythons_own_reading() -> None:
    (known,) = trusted().get_ca_certs()

    seen = read_certificate(WHOLE)

    ends = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(str(known["notAfter"])), dt.UTC)
    assert seen.until == ends
    assert seen.issuer == seen.subject
    assert all(value in seen.subject for ((_, value),) in known["subject"])  # type: ignore[misc]
    assert seen.names == tuple(value for _, value in known.get("subjectAltName", ()))  # type: ignore[misc]


def test_a_name_cannot_write_on_a_terminal(tmp_path: Path) -> None:
    leaf = Authority(tmp_path, "\x1b[31mred\r\nnext" + "x" * 50).issue("gateway.example")

    assert read_certificate(der(leaf)).issuer.startswith("'Proxies' of '[31mrednextxxx")


@given(st.data())
def test_whatever_is_no_certificate_is_a_value_error(data: st.DataObject) -> None:
    whole = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])

    with contextlib.suppress(ValueError):
        read_certificate(cut)


@pytest.mark.parametrize("odd", [b"", b"0", b"0\x80", b"0\x84\xff\xff\xff\xff", b"0\x00", b"x" * 9])
def test_an_odd_beginning_is_a_value_error(odd: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(odd)

"""What TLS trusts, and why it does not trust a host: who issued its certificate, and what mends it.

No message names a way to turn the checking off, as there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http.client
import os
import ssl
import threading
from typing import Final
from urllib.parse import urlsplit

from batch.errors import BadConfig
from batch.transport.certificate import Certificate, read_certificate
from batch.transport.proxy import Proxy
from batch.transport.tunnel import login_headers

SECONDS: Final = 5.0  # for a second look at a certificate
NAMED: Final = 4  # names of a certificate that are said
# OpenSSL's numbers of what is wrong.
NOT_YET: Final = 9
EXPIRED: Final = 10
SELF_SIGNED: Final = 18
UNKNOWN_ISSUER: Final = (2, 19, 20, 21)
OTHER_HOST: Final = (62, 64)


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return what TLS is spoken with: verified, 1.2 or later. Raises ``BadConfig``."""
    try:
        context = ssl.create_default_context(cafile=ca_bundle or None)
    except ssl.SSLError:
        raise BadConfig(
            f"the CA bundle {ca_bundle} holds no certificate that can be read: it takes a file in "
            "PEM form, in which certificates begin with -----BEGIN CERTIFICATE-----. One in "
            "another form becomes such a file with: openssl x509 -inform der -in FILE -out FILE.pem"
        ) from None
    except OSError as broken:
        raise BadConfig(
            f"the CA bundle {ca_bundle} cannot be read: {broken.strerror}. --ca-bundle takes a "
            "PEM file"
        ) from None
    if ca_bundle and not context.cert_store_stats()["x509"]:
        raise BadConfig(f"the CA bundle {ca_bundle} holds no certificate, only something else")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Distrust:
    """Says why hosts are not trusted. Each is looked at once more, and only once."""

    def __init__(self, ca_bundle: str | None, seconds: float = SECONDS) -> None:
        self._ca_bundle = ca_bundle
        self._seconds = seconds
        self._seen: dict[tuple[str, int], Certificate | None] = {}
        self._looking = asyncio.Lock()

    async def said(
        self, error: ssl.SSLCertVerificationError, host: str, port: int, proxy: Proxy | None
    ) -> str:
        """Return what is wrong with the certificate of a host, and what to do."""
        async with self._looking:
            if (host, port) not in self._seen:
                self._seen[host, port] = await self._look(host, port, proxy)
        return explained(error, host, self._seen[host, port], self._ca_bundle)

    async def _look(self, host: str, port: int, proxy: Proxy | None) -> Certificate | None:
        """Look in a thread that keeps nobody waiting: a proxy may answer a byte a minute."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Certificate | None] = loop.create_future()

        def put(seen: Certificate | None) -> None:
            if not found.done():
                found.set_result(seen)

        def look() -> None:
            seen = _look(host, port, proxy)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(put, seen)

        threading.Thread(target=look, name="certificate", daemon=True).start()
        try:
            async with asyncio.timeout(self._seconds):
                return await found
        except TimeoutError:
            return None


def explained(
    error: ssl.SSLCertVerificationError,
    host: str,
    seen: Certificate | None,
    ca_bundle: str | None,
) -> str:
    """Return in words why a certificate is not accepted, and which setting or person mends it."""
    code = error.verify_code
    of = f"the TLS certificate of {host}"
    issued = f" (issued by {seen.issuer})" if seen else ""
    if code in OTHER_HOST:
        names = f"for {_listed(seen.names or (seen.subject,))}, and " if seen else ""
        return (
            f"{of} is {names}not for {host}{issued}. Check the address, and what stands "
            "between here and there"
        )
    if code in (EXPIRED, NOT_YET):
        return f"{of}{issued} {_out_of_time(code, seen)}, or this machine's clock is wrong"
    if code == SELF_SIGNED:
        who = f", {seen.subject}" if seen else ""
        return (
            f"{of} is signed by nobody but itself{who}. If it is the one that should be there, "
            f"trust it with --ca-bundle FILE or SSL_CERT_FILE{_in_use(ca_bundle)}"
        )
    if code in UNKNOWN_ISSUER:
        by = f"was issued by {seen.issuer}, which" if seen else "was issued by somebody who"
        return f"{of} {by} is no authority that is trusted here. {_unknown(ca_bundle)}"
    return f"{of}{issued} is not accepted: {error.verify_message}"


def _unknown(ca_bundle: str | None) -> str:
    if not ca_bundle and not _has_authorities():
        return (
            "None is: install the package ca-certificates, or name a file of authorities with "
            "--ca-bundle FILE or SSL_CERT_FILE"
        )
    return (
        "A company's proxy signs anew what passes it: ask for the certificate it signs with, and "
        f"name the file with --ca-bundle FILE or SSL_CERT_FILE{_in_use(ca_bundle)}"
    )


def _in_use(ca_bundle: str | None) -> str:
    return f" (now it is {ca_bundle})" if ca_bundle else ""


def _out_of_time(code: int, seen: Certificate | None) -> str:
    now = dt.datetime.now(dt.UTC)
    if code == NOT_YET:
        begins = f" on {seen.since:%Y-%m-%d}" if seen and seen.since > now else ""
        return f"is not valid yet: it begins to be so{begins or ' later'}"
    if seen and seen.until > now:
        return "hangs on one that has expired: who runs the host must renew it"
    since = f" on {seen.until:%Y-%m-%d}" if seen else ""
    return f"expired{since}: who runs the host must renew it"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _has_authorities() -> bool:
    """Return whether there is a file or a folder of authorities, as OpenSSL looks for them."""
    places = ssl.get_default_verify_paths()  # None: it is not there
    if places.cafile is not None:
        return True
    try:
        return places.capath is not None and bool(os.listdir(places.capath))
    except OSError:
        return False


def _look(host: str, port: int, proxy: Proxy | None) -> Certificate | None:
    """Return the certificate that a host shows, unproven. Nothing is sent but a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    way = urlsplit(proxy.address) if proxy else None
    if way and way.scheme != "http":
        return None  # who is at its other end would have to be trusted first
    first = (way.hostname or "", way.port) if way else (host, port)
    connection = http.client.HTTPSConnection(*first, timeout=SECONDS, context=context)
    try:
        if proxy:
            connection.set_tunnel(host, port, login_headers(proxy))
        connection.connect()
        der = connection.sock.getpeercert(binary_form=True)
        return read_certificate(der) if der else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()

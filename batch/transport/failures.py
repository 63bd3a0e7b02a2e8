"""aiohttp's errors become ours in this table, and nowhere else.

The line that matters runs between "nothing was sent" and "it may have been". aiohttp raises the
ClientConnectorError family and ConnectionTimeoutError only while it looks up the host, connects and
shakes hands, before the first byte of the request. Everything else may come after it:
- ServerDisconnectedError and ClientOSError, also on a kept connection that the server has just
  closed: from here nobody can tell whether it had read the request;
- ClientOSError while writing: the gateway has what was written before;
- ClientResponseError, which here never is a status: it is aiohttp's own "400" for bytes that are no
  HTTP;
- NoTunnel is ours: what failed at a proxy, before the first byte for the host;
- Unused is ours, too: a connection that was gone before the first byte could be written;
- a bare TimeoutError, when the total time is over. It would also come during a connect that is
  allowed more time than the whole call; that counts as sent, on the safe side.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final, TypeAlias

import aiohttp

from batch.errors import (
    CallFailed,
    Interrupted,
    NoWay,
    Refused,
    TimedOut,
    Unreachable,
    Untrusted,
)
from batch.secret import Redactor
from batch.transport.address import host_of
from batch.transport.kept import Unused
from batch.transport.proxy import Proxy
from batch.transport.trust import Distrust
from batch.transport.tunnel import NoTunnel, no_tunnel
from batch.transport.unreadable import in_words
from batch.wording import cut

# What aiohttp raises on purpose. Any other exception is a bug, and passes.
FOREIGN: Final = (aiohttp.ClientError, TimeoutError)
LONGEST: Final = 600  # characters of a message; much of it may be what others sent
HTTPS_PORT: Final = 443

# What OpenSSL calls a reason, and what it is for people.
REASONS: Final = {
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS: check the port, and the proxy",
    "HTTP_REQUEST": "what answers there speaks no TLS: check the port, and the proxy",
    "UNSUPPORTED_PROTOCOL": "it speaks only versions of TLS before 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that is spoken here",
}

Row: TypeAlias = tuple[type[Exception], type[CallFailed], str]

# The first row that fits counts.
TABLE: Final[tuple[Row, ...]] = (
    (aiohttp.ClientConnectorSSLError, Unreachable, "no TLS connection to {host}{by}: {cause}"),
    (aiohttp.ClientConnectorDNSError, Unreachable, "the name of {first} is not known: {cause}"),
    (aiohttp.ClientProxyConnectionError, Unreachable, "no connection to {first}: {cause}"),
    (aiohttp.ClientConnectorError, Unreachable, "no connection to {host}{by}: {cause}"),
    (aiohttp.ConnectionTimeoutError, Unreachable, "no connection to {host}{by} in time"),
    (Unused, Unreachable, "{host} closed the connection before it was used"),
    (aiohttp.InvalidURL, Refused, "this is no address that can be called: {cause}"),
    (aiohttp.SocketTimeoutError, TimedOut, "the answer of {host} began and then fell silent"),
    (TimeoutError, TimedOut, "no whole answer from {host} in time"),
    (aiohttp.ServerDisconnectedError, Interrupted, "{host} hung up before it answered"),
    (aiohttp.ClientResponseError, Interrupted, "the answer of {host} {cause}"),
    (aiohttp.ClientPayloadError, Interrupted, "the answer of {host} {cause}"),
    (aiohttp.ClientError, Interrupted, "the connection to {host} broke: {cause}"),
)


async def ours(
    broken: Exception, address: str, proxy: Proxy | None, distrust: Distrust
) -> CallFailed:
    """Return our failure for one of aiohttp's; its own cause if that is one of ours.

    So it is with a file that changes while it is sent: a body that stops before its end asks for
    nothing.
    """
    host = host_of(address)
    if isinstance(broken.__cause__, CallFailed):
        return broken.__cause__
    if isinstance(broken, NoTunnel) and proxy is not None:
        return no_tunnel(broken, host, proxy)
    if isinstance(broken, aiohttp.ClientConnectorCertificateError):
        wrong = broken.certificate_error
        assert isinstance(wrong, ssl.SSLCertVerificationError)
        port = broken.port or HTTPS_PORT
        at_proxy = proxy is not None and proxy.is_at(broken.host, port)
        return Untrusted(await distrust.said(wrong, broken.host, port, None if at_proxy else proxy))
    kind, words = next((kind, words) for row, kind, words in TABLE if isinstance(broken, row))
    by, first = "", host
    if proxy is not None:
        by, first = f" through the proxy {proxy}", f"the proxy {proxy}"
    return kind(words.format(host=host, by=by, first=first, cause=_cause(broken)))


def of_another_host(failure: CallFailed) -> CallFailed:
    """Return a failure of a host that is not the gateway, whose own way it says nothing of."""
    return Unreachable(failure.message) if isinstance(failure, NoWay) else failure


def told_by_system(error: OSError) -> str:
    """Return what went wrong in the system's words; asyncio's hold a tuple of Python."""
    if error.errno is not None and error.errno > 0 and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)


def redact(failure: CallFailed, redactor: Redactor) -> CallFailed:
    """Remove keys from what a failure says, and return it.

    It is shortened only here: of a key that was cut before, nobody would know the rest.
    """
    failure.message = cut(redactor.clean_text(failure.message), LONGEST)
    failure.args = (failure.message,)
    if failure.body is not None:
        failure.body = redactor.clean(failure.body)
    return failure


def _cause(broken: Exception) -> str:
    if isinstance(broken, aiohttp.ClientConnectorSSLError):
        reason = getattr(broken.os_error, "reason", None)
        text = REASONS.get(reason or "", broken.os_error.strerror or str(broken.os_error))
    elif isinstance(broken, aiohttp.ClientConnectorError):
        text = told_by_system(broken.os_error) or "it was closed"
    elif isinstance(broken, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        text = in_words(broken)
    else:
        text = str(broken)
    return " ".join(text.split())

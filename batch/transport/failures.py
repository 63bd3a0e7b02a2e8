"""aiohttp's errors become ours in this table, and nowhere else.

The line that matters runs between "nothing was sent" and "it may have been". aiohttp raises the
ClientConnectorError family and ConnectionTimeoutError only while it looks up the host, connects and
shakes hands, before the first byte of the request. Everything else may come after it:
- ServerDisconnectedError and ClientOSError, also on a kept connection that the server has just
  closed: from here nobody can tell whether it had read the request;
- ClientOSError while writing: the gateway has what was written before;
- ClientResponseError, which here never is a status: it is aiohttp's own "400" for bytes that are no
  HTTP;
- a bare TimeoutError, when the total time is over. It would also come during a connect that is
  allowed more time than the whole call; that counts as sent, on the safe side.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import aiohttp

from batch.errors import CallFailed, Interrupted, Refused, TimedOut, Unreachable
from batch.secret import Redactor

# What aiohttp raises on purpose. Any other exception is a bug, and passes.
FOREIGN: Final = (aiohttp.ClientError, TimeoutError)
CAUSE_LENGTH: Final = 300

Row: TypeAlias = tuple[type[Exception], type[CallFailed], str]

# The first row that fits counts.
TABLE: Final[tuple[Row, ...]] = (
    (
        aiohttp.ClientConnectorCertificateError,
        Unreachable,
        "the TLS certificate of {host} is not accepted, a CA bundle may be missing: {cause}",
    ),
    (aiohttp.ClientConnectorSSLError, Unreachable, "no TLS connection to {host}: {cause}"),
    (aiohttp.ClientConnectorDNSError, Unreachable, "the name of {host} is not known: {cause}"),
    (aiohttp.ClientConnectorError, Unreachable, "no connection to {host}: {cause}"),
    (aiohttp.ConnectionTimeoutError, Unreachable, "no connection to {host} in time"),
    (aiohttp.InvalidURL, Refused, "this is no address that can be called: {cause}"),
    (aiohttp.SocketTimeoutError, TimedOut, "the answer of {host} began and then fell silent"),
    (TimeoutError, TimedOut, "no whole answer from {host} in time"),
    (aiohttp.ServerDisconnectedError, Interrupted, "{host} hung up before it answered"),
    (aiohttp.ClientResponseError, Interrupted, "what {host} answered is no HTTP: {cause}"),
    (aiohttp.ClientPayloadError, Interrupted, "the answer of {host} was cut: {cause}"),
    (aiohttp.ClientError, Interrupted, "the connection to {host} broke: {cause}"),
)


def ours(broken: Exception, host: str) -> CallFailed:
    """Return our failure for one of aiohttp's; its own cause if that is one of ours.

    So it is with a file that changes while it is sent: a body that stops before its end asks for
    nothing.
    """
    if isinstance(broken.__cause__, CallFailed):
        return broken.__cause__
    kind, words = next((kind, words) for row, kind, words in TABLE if isinstance(broken, row))
    return kind(words.format(host=host, cause=_cause(broken)))


def redact(failure: CallFailed, redactor: Redactor) -> CallFailed:
    """Remove keys from what a failure says, and return it."""
    failure.message = redactor.clean_text(failure.message)
    failure.args = (failure.message,)
    if failure.body is not None:
        failure.body = redactor.clean(failure.body)
    return failure


def _cause(broken: Exception) -> str:
    if isinstance(broken, aiohttp.ClientConnectorError):
        text = broken.os_error.strerror or str(broken.os_error)
    elif isinstance(broken, aiohttp.ClientResponseError):
        text = broken.message
    else:
        text = str(broken)
    return " ".join(text.split())[:CAUSE_LENGTH]

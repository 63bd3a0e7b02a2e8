"""The one door to the network: a Call goes out, a Reply comes back, or a failure from the tree.

What it offers and its settings stand here and import no network library, so that asking for help
stays quick. ``client`` sends: plain JSON by ``posts``, the rest by aiohttp's ``sessions``.
``attach`` finds files for bodies, ``local`` those of this machine, ``payload`` writes bodies out,
``body`` reads answers, streams with ``pauses``, ``saving`` hands files to the disk, ``deadlines``
and ``idle`` end what takes too long, ``kept`` says which connections are used again, ``at_hand``
passes them from post to post, ``failures`` translates errors, ``address`` knows URLs, ``proxy`` the
way to them, and ``trust`` whom TLS believes. No retry, no limit and no word of any vendor lives
here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from batch.records import Call, Reply
from batch.secret import Secret
from batch.transport.proxy import Proxies
from batch.wire import Folder


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway is, how long it may take, and how much it may send."""

    base_url: str  # with or without /v1
    connect_seconds: float = 10  # name, connection and TLS together
    total_seconds: float = 600  # from the first byte sent to the last one received
    media_seconds: float = 1800  # the same for a call that makes or fetches media
    idle_seconds: float = 300  # without a byte, once the answer has begun
    max_body: int = 32 << 20  # bytes, decompressed
    max_file: int = 256 << 20  # bytes: of a file, and of a body that media stands in
    allow_files: str | None = None  # folder that local files of lines may come from
    allow_http: bool = False  # to hosts other than this machine
    ca_bundle: str | None = None  # PEM file that replaces the system's authorities
    proxies: Proxies = Proxies()
    user_agent: str = "wenwen-batch"


# Makes what folds an answer that comes as events; None if none of this call does.
Folding: TypeAlias = Callable[[], Folder | None]


def nobody(grew: int) -> None:
    """Take no note of bytes that come."""


class Transport(Protocol):
    """What the engine needs of a network."""

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Send one call once and return what came back, whatever its status.

        ``folding`` is asked for a folder if the answer comes as events. ``grew`` is told how many
        bytes more are held, as they come. ``leaves`` is called before the first byte of a request
        to the gateway is handed to the system: until then nothing was sent, however the call ends.
        A key goes to the gateway alone. Raises ``CallFailed``: ``BadFile`` and
        ``FileUnread`` for a file that the call names, ``Unreachable`` only if nothing was sent
        (``NoWay`` if nothing ever will be), ``Interrupted`` or ``TimedOut`` if the gateway may have
        begun to work, ``NotAnAnswer`` if the answer is too large, ``FileGone`` if a file is,
        ``Refused`` if the call cannot be sent at all. Raises ``CannotWrite`` if a file cannot be
        saved.
        """
        ...

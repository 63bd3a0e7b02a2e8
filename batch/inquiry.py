"""Asks the gateway which models each key may call: all keys at once, each once."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from batch.catalogue import Catalogue, KeyReport
from batch.errors import CallFailed
from batch.files import OsFiles
from batch.media import MediaFolder
from batch.records import Done, Request, Send
from batch.secret import Redactor, Secret
from batch.settings.tree import UserSettings
from batch.shares import Access, transport_settings
from batch.transport import Transport, TransportSettings
from batch.transport.client import AioTransport
from batch.wire import Ask, formats
from batch.wire.models import models_of

SECONDS: Final = 30.0  # at most for a list: a person waits for it


async def ask(settings: UserSettings, way: Access) -> Catalogue:
    """Return what the gateway says to each key. Failures of a key are in its report."""
    secrets = {secret.name: secret for _, secret in way.keys}
    quick = hurried(transport_settings(settings, way))
    folder = MediaFolder(OsFiles(), "")  # no answer of these is a file
    try:
        async with AioTransport(quick, Redactor(way.secrets), folder) as transport:
            reports = await asyncio.gather(*(_report(transport, one) for one in secrets.values()))
    finally:
        await folder.close()
    order = tuple((pattern, secret.name) for pattern, secret in way.keys)
    return Catalogue(way.base_url, order, tuple(reports), way.detour)


def hurried(settings: TransportSettings) -> TransportSettings:
    """Return the same with less time for an answer than a model needs."""
    return msgspec.structs.replace(settings, total_seconds=min(SECONDS, settings.total_seconds))


async def _report(transport: Transport, secret: Secret) -> KeyReport:
    wire = formats()["models"]
    shaped = wire.shape(b"{}", Ask(method="GET"))
    request = Request(
        ordinals=(1,),
        custom_ids=("models",),
        format=wire.name,
        model=shaped.model,
        body=shaped.body,
        method=shaped.method,
        path=shaped.path,
        makes=shaped.makes,
        stem="models",
    )
    step = wire.start(request)
    assert isinstance(step, Send)
    try:
        reply = await transport.send(step.call, secret)
        done = wire.next(request, step.state, reply)
    except CallFailed as failure:
        return KeyReport(secret.name, secret.place, failure=failure)
    assert isinstance(done, Done)
    return KeyReport(secret.name, secret.place, models_of(done.answer.body))

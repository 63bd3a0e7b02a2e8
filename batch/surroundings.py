"""What a session stands in, and what is put away after it: gateway, folder of files, collector."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Final

from batch.files import Files
from batch.media import MediaFolder
from batch.plan import Plan
from batch.secret import Secret
from batch.settings import Settings
from batch.shares import Access, dials

GC_THRESHOLDS: Final = (50_000, 20, 50)  # the collector else takes 5 to 7 % of a run


@contextlib.asynccontextmanager
async def gateway(settings: Settings, way: Access | None) -> AsyncIterator[Access]:
    """Reach the gateway, or start the one that needs no key."""
    if way is not None:
        yield way
        return
    # Only here: a run against a real gateway needs no server.
    from batch.mock.gateway import Gateway  # noqa: PLC0415

    async with Gateway(dials(settings.run)) as gateway:
        yield Access(gateway.url, (("*", Secret("mock", "sk-mock")),))


@contextlib.asynccontextmanager
async def media(files: Files, plan: Plan) -> AsyncIterator[MediaFolder]:
    """Open the folder of the answers' files, and close it when all are written."""
    folder = MediaFolder(files, plan.paths.files, plan.settings.request.inline_media)
    try:
        yield folder
    finally:
        await folder.close()


@contextlib.contextmanager
def lean_collector() -> Iterator[None]:
    """Collect garbage seldom while a run makes few cycles and many objects."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

"""What a session stands in, and what is put away after it: gateway, files, spill, collector.

Longer by what the system lets a process have.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from batch.descriptors import OWN_FILES, open_files
from batch.files import Files
from batch.media import MediaFolder
from batch.plan import Plan
from batch.secret import Secret
from batch.settings.tree import Settings
from batch.shares import Access, dials
from batch.spill import Parse, Spill

# Parameters of glibc's ``mallopt``, and their values in bytes.
_TRIM: Final = (-1, 2 << 20)
_MMAP: Final = (-3, 1 << 20)

# Beside each call that submits there may be one that asks how far a task is, and one that fetches
# what it made into a file.
PER_CALL: Final = 4


def within_open_files(settings: Settings) -> tuple[Settings, str]:
    """Return settings with no more calls at once than there may be connections, and why.

    The process allows itself as many as it can. A call without a connection would look like a
    gateway that is not there.
    """
    limits = settings.limits
    ends = 2 if settings.run.mock else 1  # of each connection a rehearsal has both
    # What tasks take comes last: where so much is not to be had, most runs need no more than one.
    allowed = max(open_files(ends * each * limits.at_most + OWN_FILES) for each in (1, PER_CALL))
    fit = max(1, (allowed - OWN_FILES) // ends)
    if fit >= limits.at_most:
        return settings, ""
    fewer = msgspec.structs.replace(limits, concurrency=fit)
    return msgspec.structs.replace(settings, limits=fewer), (
        f"{fit} at once and not {limits.at_most}: the system lets a process have {allowed} files "
        f"and connections open (ulimit -n)"
    )


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
    folder = MediaFolder(files, plan.paths.files, plan.settings.media.inline_media)
    try:
        yield folder
    finally:
        await folder.close()


@contextlib.contextmanager
def spill(files: Files, plan: Plan, parse: Parse) -> Iterator[Spill]:
    """Open where lines wait of keys that are slower than others, and read them in a thread."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "reread")

    async def offload(read: Callable[[], list[bytes]]) -> list[bytes]:
        return await loop.run_in_executor(thread, read)

    where = plan.paths.cache, plan.opened.inputs.sources
    with Spill(files, *where, parse, offload) as waiting, thread:
        yield waiting


def return_large_blocks() -> None:
    """Have the C library give a large block back to the system as soon as it is free.

    glibc by itself keeps ever larger ones, up to 32 MB, and pictures that come and go leave holes
    among them: a run would grow to more than twice of what it uses.
    """
    import ctypes  # noqa: PLC0415 - only a run needs it

    # Another library has no such function, and gives back what it likes.
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        for parameter, value in (_TRIM, _MMAP):
            library.mallopt(parameter, value)


def processor_seconds() -> float:
    """Return for how long this thread has worked, or has waited for a processor to work on.

    On a busy machine the waiting is most of it; only Linux tells it.
    """
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            worked, waited, _ = map(int, file.read().split())
    except (OSError, ValueError):
        return time.thread_time()
    return (worked + waited) / 1e9

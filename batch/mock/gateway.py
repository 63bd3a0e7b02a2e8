"""The mock gateway's server: routes, the way of one request through it, start and end.

One gateway is one account: all keys share its limits and its money. What a request gets is a
function of the dials, its body and how often that body came; limits, capacity, money and tasks
depend on what else is under way, as they must. Files that answers name are at another port: to a
client that is another host, which must see no key.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from aiohttp.web import BaseRequest, Response, Server, ServerRunner, StreamResponse, TCPSite

from batch.errors import BadUsage
from batch.mock import Asked, Twin, _errors, chance, delivery, twins
from batch.mock._base import bearer
from batch.mock._errors import TurnedAway
from batch.mock._files import media_file
from batch.mock.accounts import mark
from batch.mock.dials import Dials
from batch.mock.door import Admitted, Door
from batch.mock.faults import FAULTS
from batch.mock.hours import Hours
from batch.mock.ledger import Counts, Ledger, Row
from batch.mock.slots import Slots
from batch.mock.tasks import Tasks

HOST: Final = "127.0.0.1"
LARGEST_BODY: Final = 256 << 20  # bytes
_BACKLOG: Final = 1024
# aiohttp waits this long for its connections at the end; what served them is cancelled before.
_GRACE: Final = 0.1  # seconds


class Gateway:
    """``async with Gateway(Dials()) as gateway:`` serves at ``gateway.url`` in that block."""

    url: str

    def __init__(
        self,
        dials: Dials,
        *,
        ledger_path: str | None = None,
        host: str = HOST,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._address = (host, port)
        self._submitted = Tasks(dials, clock)
        self.turn(dials)
        self._attempts = chance.Attempts()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ledger = Ledger(ledger_path)

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        return self._ledger.counts

    @property
    def rows(self) -> deque[Row]:
        """The latest rows of the ledger; none if they go to a file."""
        return self._ledger.rows

    async def __aenter__(self) -> Self:
        server = Server(self._handle, request_factory=_request, access_log=None)
        self._runner = ServerRunner(server, shutdown_timeout=_GRACE)
        await self._runner.setup()
        host, port = self._address
        self._site = TCPSite(self._runner, host, port, backlog=_BACKLOG)
        files = Server(self._serve_file, request_factory=_request, access_log=None)
        self._files = ServerRunner(files, shutdown_timeout=_GRACE)
        await self._files.setup()
        try:
            await self._site.start()
            await TCPSite(self._files, host, 0, backlog=_BACKLOG).start()
        except OSError as error:
            await self._runner.cleanup()
            await self._files.cleanup()
            self._ledger.close()
            raise BadUsage(f"the mock gateway cannot listen on {host}:{port}: {error}") from error
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop at once: what is under way is cut off, and its rows are written."""
        await self._site.stop()
        await self._stop_tasks()
        await self._runner.cleanup()
        await self._files.cleanup()
        await self._stop_tasks()
        self._ledger.close()

    def turn(self, dials: Dials) -> None:
        """Go on with other dials from now on: another hour of the same gateway.

        Books, tasks and the count of attempts stay; who was let in already is let go on.
        """
        hours = Hours(dials, self._clock)
        door, slots = Door(dials, hours, self.link, self._submitted), Slots(dials, hours)
        self._submitted.turn(dials)
        self._door, self._slots, self._dials = door, slots, dials

    async def _stop_tasks(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        for twin in twins():
            if twin.serves(request.method, request.path):
                return await self._serve(request, twin)
        return await self._page(request)

    async def _serve(self, request: BaseRequest, twin: Twin) -> StreamResponse:
        """Answer one request of a wire format; once it has come whole it has its row."""
        at = time.time()
        try:
            raw = await request.read()
        except ConnectionError:  # who asked is gone before it came whole: there is nothing to count
            return StreamResponse()
        key = twin.key(request.headers, request.query)
        row = self._arrive(request, raw, at, key)
        kind = request.headers.get("Content-Type", "")
        asked = Asked(method=request.method, path=request.path, content_type=kind, raw=raw)
        door = self._door  # that of this hour, also where another one begins meanwhile
        with self._counted(row):
            try:
                admitted = door.admit(twin, row, asked, key)
                return await self._work(request, row, admitted, door)
            except TurnedAway as away:
                if row.model or request.method == "GET":  # the door has let it in
                    away.manner = twin.manner
                return await delivery.say(request, row, away)

    async def _serve_file(self, request: BaseRequest) -> StreamResponse:
        """Give out a file that an answer named, as another host: it knows no keys and no limits."""
        row = self._arrive(request, b"", time.time(), bearer(request.headers))
        with self._counted(row):
            made = media_file(request.path, self._dials.file_bytes)
            if made is None:
                row.fate, row.status = "unknown_path", 404
                return Response(status=404)
            fault = self._door.fault_of(row)
            if fault and FAULTS[fault] != "answer":
                return await delivery.say(request, row, TurnedAway(fault, reset=fault == "reset"))
            row.fate, row.status = fault or "file", 200
            return await delivery.answer(request, row, made, self._dials)

    @contextlib.contextmanager
    def _counted(self, row: Row) -> Iterator[None]:
        """See to it that a request has its row, whatever happens to it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            row.ms = _since(row.at)
            self._ledger.leave(row)
            self._tasks.discard(task)

    def link(self, kind: str, number: int) -> str:
        """Return the address, at another host, of a file that is always the same."""
        host, port = self._address[0], self._files.addresses[0][1]
        return f"http://{host}:{port}/files/{number}.{kind}?signature=a%2Fb&ex=1760003600"

    def _arrive(self, request: BaseRequest, raw: bytes, at: float, key: str) -> Row:
        # What has no body is told apart by its path; a form's boundary is another each time.
        _, _, boundary = request.headers.get("Content-Type", "").partition("boundary=")
        same = raw.replace(boundary.encode(), b"") if boundary else raw
        body_sum = chance.sum_of(same or request.path.encode())
        return Row(
            n=self._ledger.arrive(),
            at=at,
            method=request.method,
            path=request.path,
            key=mark(key),
            sum=body_sum,
            attempt=self._attempts.count(body_sum),
        )

    async def _work(
        self, request: BaseRequest, row: Row, admitted: Admitted, door: Door
    ) -> StreamResponse:
        """Take a slot and the time that it takes; then bill, answer, and settle."""
        fault, spent = admitted.fate.fault, 0
        try:
            async with self._slots:
                began = time.time()
                if admitted.fate.latency > 0:
                    await asyncio.sleep(admitted.fate.latency)
                if fault and FAULTS[fault] == "work":
                    raise TurnedAway(fault, reset=fault == "reset")
                row.fate, row.status = fault or "answered", admitted.prepared.status
                row.billed, spent = admitted.billed, admitted.tokens
                try:
                    return await delivery.answer(
                        request, row, admitted.prepared, self._dials, admitted.told
                    )
                finally:
                    row.work_ms = _since(began)
        finally:
            door.money.settle(admitted.prepared.reserve, spent)

    async def _page(self, request: BaseRequest) -> StreamResponse:
        """Answer what is no request of a wire format: it has no row and costs nothing."""
        if (request.method, request.path) == ("GET", "/mock/ledger"):
            return _page(self._ledger.summary())
        said = f"Invalid URL ({request.method} {request.path})"
        return await delivery.say(request, _nobody(request), TurnedAway("unknown_path", said))


def _since(then: float) -> int:
    """Return the milliseconds since a time."""
    return round(1000 * (time.time() - then))


def _page(body: bytes) -> StreamResponse:
    return Response(body=body, headers={"Content-Type": _errors.JSON})


def _nobody(request: BaseRequest) -> Row:
    """Return a row for a refusal that the ledger does not keep."""
    return Row(n=0, at=0.0, method="", path=request.path, key="", sum="0", attempt=0)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY)


async def serve(
    dials: Dials,
    host: str,
    port: int,
    ledger_path: str | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until cancelled; ``ready`` is told the URL once connections are accepted."""
    async with Gateway(dials, ledger_path=ledger_path, host=host, port=port) as gateway:
        ready(gateway.url)
        await asyncio.Event().wait()

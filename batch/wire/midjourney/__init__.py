"""Midjourney, as midjourney-proxy speaks it and the gateway passes it on, under ``/mj``.

``request`` is what may be asked, ``reply`` what its codes and tasks mean, ``answer`` what a line is
answered. A body tells nothing by its shape: several kinds of work look alike, so that a line needs
its ``url``. The gateway's page for renewing an address names no path that any known source has: a
line that asks after the task again fetches its picture again.
"""

from __future__ import annotations

from typing import assert_never

from batch.records import Call, Repeat, Reply, Request, Send, State, Step
from batch.usage import Meter, Usage
from batch.wire import WireFormat
from batch.wire._tasked import Tasked
from batch.wire.midjourney import answer as given
from batch.wire.midjourney import request as asked


class Midjourney(Tasked):
    """Tasks that are submitted, waited for and fetched; and questions, which are answered."""

    name = "midjourney"
    routes = asked.ROUTES
    shape = staticmethod(asked.shape)
    build = staticmethod(asked.build)

    def claims(self, method: str, url: str) -> bool:
        """Return whether one of the routes fits, as it is or under a speed."""
        return asked.place(method, url) is not None

    def repeat(self, request: Request) -> Repeat:
        """Return "once" for every submit, whatever it makes: it is billed by the task."""
        return "once" if asked.kind_of(request).is_work else "free"

    def bound(self, request: Request) -> Usage | None:
        """Return the one picture of a task; four that stand together are one."""
        draws = asked.kind_of(request).is_work and request.makes == "image"
        return Usage({Meter.IMAGES: 1}) if draws else Usage()

    def start(self, request: Request) -> Step:
        """Send the body without its model, with the files that it names."""
        return Send(self.call(request, asked.sent(request)))

    def first(self, request: Request, reply: Reply) -> Step:
        """Return what follows from the reply to the line's own call. Raises ``CallFailed``."""
        match asked.kind_of(request).gives:
            case "task":
                return given.submitted(request, reply)
            case "addresses":
                return given.uploaded(reply)
            case "state":
                return given.looked_up(request, reply)
            case "states":
                return given.listed(reply)
            case "seed":
                return given.seeded(reply)
            case other:
                assert_never(other)

    def poll(self, request: Request, state: State) -> Call:
        """Return the call that asks how far the task is."""
        return asked.poll(request, state["id"])

    def text(self, body: bytes) -> str | None:
        """Return a description, a seed, addresses or states: whichever the answer is."""
        return given.text_of(body)

    def polled(self, request: Request, state: State, reply: Reply) -> Step:
        """Return what follows from how far the task is. Raises ``CallFailed``."""
        return given.polled(request, state, reply)


FORMAT: WireFormat = Midjourney()

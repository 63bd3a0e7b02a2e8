"""Midjourney, as midjourney-proxy speaks it and the gateway passes it on, under ``/mj``.

``request`` is what may be asked, ``reply`` what its codes and tasks mean, ``answer`` what a line is
answered. A body tells nothing by its shape: several kinds of work look alike, so that a line needs
its ``url``. The gateway's page for renewing an address names no path that any known source has: a
line that asks after the task again fetches its picture again.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from batch.records import Repeat, Reply, Request, Send, State, Step
from batch.wire import Estimate, WireFormat
from batch.wire._base import Plain
from batch.wire._collect import DOING, collected, resumed
from batch.wire.midjourney import answer as given
from batch.wire.midjourney import request as asked


class Midjourney(Plain):
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

    def estimate(self, request: Request) -> Estimate:
        """Return no tokens: Midjourney counts none."""
        return Estimate(0, 0)

    def start(self, request: Request) -> Step:
        """Send the body without its model, with the files that it names."""
        return Send(msgspec.structs.replace(self.call(request), payload=asked.sent(request)))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or the step before it. Raises ``CallFailed``."""
        if state is not None:
            if state["do"] == DOING:
                return collected(request, state, reply)
            return given.polled(request, state, reply)
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

    def resume(self, request: Request, state: State) -> Step:
        """Go on with asking after the task, or with fetching its files."""
        if state["do"] == DOING:
            return resumed(request, state)
        return Send(asked.poll(request, state["id"]), state)


FORMAT: WireFormat = Midjourney()

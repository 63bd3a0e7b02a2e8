"""Films by OpenAI's video interface: submitted, asked after, and fetched.

``request`` is what is asked; ``task`` is what the gateway says of a film on its way, in the same
words whichever vendor makes it.
"""

from __future__ import annotations

import msgspec

from batch.records import Call, Reply, Request, Send, State, Step
from batch.wire import Ask, Estimate, Shaped, WireFormat
from batch.wire._base import Plain
from batch.wire._collect import collected, resumed
from batch.wire._routes import fill, find
from batch.wire._tasks import POLLING
from batch.wire.videos import request as asked
from batch.wire.videos import task


class Videos(Plain):
    """``POST /v1/videos`` and all that follows; and lines that only ask for a task or a film."""

    name = "videos"
    routes = (asked.SUBMIT, task.STATUS, task.CONTENT)
    mine = staticmethod(asked.mine)
    build = staticmethod(asked.build)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body and set the model. Raises ``BadBody``."""
        found = self.found(ask)
        if found.route is asked.SUBMIT:
            return asked.submit(body, ask)
        return asked.question(body, ask, found, self.name)

    def estimate(self, request: Request) -> Estimate:
        """Return nothing: a film is not counted in tokens."""
        return Estimate(0, 0)

    def start(self, request: Request) -> Step:
        """Submit, with the picture that the line names; or ask what it asks."""
        call = self.call(request)
        if request.method == "POST":
            return Send(msgspec.structs.replace(call, payload=asked.form(request.body)))
        if _asks_for_film(request):
            name = request.file_name()
            return Send(msgspec.structs.replace(call, expect="file", save_as=name, media=True))
        return Send(call)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the step that follows from how far the task is. Raises ``CallFailed``."""
        if _asks_for_film(request):
            return task.film(request, reply, state)
        if state is None:
            return _first(request, reply)
        if state["do"] == POLLING:
            return task.polled(request, reply, _poll(state), state)
        return collected(request, state, reply)

    def resume(self, request: Request, state: State) -> Step:
        """Go on asking after the task, or fetching its film."""
        if state["do"] == POLLING:
            return Send(_poll(state), state)
        return resumed(request, state)


def _first(request: Request, reply: Reply) -> Step:
    """Return what follows from the reply to the line's own call."""
    if request.method == "GET":
        return task.told(reply)
    named, document = task.begun(reply)
    state: State = {"do": POLLING, "id": named}
    return task.followed(request, reply, document, _poll(state), state, first=True)


def _asks_for_film(request: Request) -> bool:
    return find((task.CONTENT,), request.method, request.path) is not None


def _poll(state: State) -> Call:
    path = fill(task.STATUS.template, {"id": state["id"]})
    return Call("GET", path, kind="poll")


FORMAT: WireFormat = Videos()

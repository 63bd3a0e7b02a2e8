"""Films by OpenAI's video interface: submitted, asked after, and fetched.

``request`` is what is asked; ``task`` is what the gateway says of a film on its way, in the same
words whichever vendor makes it.
"""

from __future__ import annotations

import msgspec

from batch.records import Call, Reply, Request, Send, State, Step
from batch.usage import Usage
from batch.wire import Ask, Shaped, WireFormat
from batch.wire._routes import fill, find
from batch.wire._tasked import Tasked
from batch.wire._tasks import POLLING
from batch.wire.videos import request as asked
from batch.wire.videos import task


class Videos(Tasked):
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

    def bound(self, request: Request) -> Usage | None:
        """Return the length that is asked for; of a question nothing."""
        return asked.bound(request) if request.method == "POST" else super().bound(request)

    def start(self, request: Request) -> Step:
        """Submit, with the picture that the line names; or ask what it asks."""
        if request.method == "POST":
            return Send(self.call(request, asked.form(request.body)))
        if _asks_for_film(request):
            call, name = self.call(request, expect="file"), request.file_name()
            return Send(msgspec.structs.replace(call, save_as=name, media=True))
        return Send(self.call(request))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the step that follows from a reply. Raises ``CallFailed``."""
        if _asks_for_film(request):
            return task.film(request, reply, state)
        return super().next(request, state, reply)

    def first(self, request: Request, reply: Reply) -> Step:
        """Return what follows from the reply to the line's own call. Raises ``CallFailed``."""
        if request.method == "GET":
            return task.told(reply)
        named, document = task.begun(reply)
        state: State = {"do": POLLING, "id": named}
        poll = self.poll(request, state)
        return task.followed(request, reply, document, poll, state, first=True)

    def poll(self, request: Request, state: State) -> Call:
        """Return the call that asks how far the task is."""
        return Call("GET", fill(task.STATUS.template, {"id": state["id"]}), kind="poll")

    def polled(self, request: Request, state: State, reply: Reply) -> Step:
        """Return what follows from how far the task is. Raises ``CallFailed``."""
        return task.polled(request, reply, self.poll(request, state), state)


def _asks_for_film(request: Request) -> bool:
    return find((task.CONTENT,), request.method, request.path) is not None


FORMAT: WireFormat = Videos()

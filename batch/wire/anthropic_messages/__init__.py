"""Messages, the dialect of Anthropic: ``POST /v1/messages``.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures and films
in it, ``usage`` what it took, ``fold`` puts a stream together.
"""

from __future__ import annotations

import msgspec

from batch.records import Call, Done, Reply, Request, Send, State, Step
from batch.wire import Folder, WireFormat, Wrapper
from batch.wire._base import Plain
from batch.wire._collect import collect, collected, resumed
from batch.wire.anthropic_messages import request as asked
from batch.wire.anthropic_messages.answer import read_answer
from batch.wire.anthropic_messages.fold import Fold


class AnthropicMessages(Plain):
    """One call, one answer; then its pictures, if a model that makes some links to them."""

    name = "messages"
    wrapper: Wrapper | None = Wrapper(id_key="custom_id", body_key="params")  # Message Batches
    routes = (asked.ROUTE,)
    mine = staticmethod(asked.mine)
    shape = staticmethod(asked.shape)
    build = staticmethod(asked.build)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)

    def start(self, request: Request) -> Step:
        """Send the body, with the files that it names."""
        call: Call = msgspec.structs.replace(
            self.call(request),
            payload=asked.payload(request.body),
            headers=asked.HEADERS,
            expect="events" if asked.streams(request) else "json",
        )
        return Send(call)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or first the steps that fetch its files. Raises ``CallFailed``."""
        if state is not None:
            return collected(request, state, reply)
        answer, addresses = read_answer(request, reply)
        if not addresses:
            return Done(answer)
        return collect(request, answer, [[one] for one in addresses], f"{request.makes}/")

    def resume(self, request: Request, state: State) -> Step:
        """Go on with fetching files: the only thing that an answer waits for."""
        return resumed(request, state)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return Fold()


FORMAT: WireFormat = AnthropicMessages()

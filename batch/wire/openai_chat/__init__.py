"""Chat completions, the dialect of OpenAI that the gateway speaks for all its models.

``request`` is what is asked, ``answer`` what counts as answered, ``usage`` what it took, ``fold``
puts a stream together.
"""

from __future__ import annotations

from typing import Final

from batch.records import Call, Done, Reply, Request, Send, State, Step
from batch.wire import Folder, WireFormat
from batch.wire.openai_chat import request as asked
from batch.wire.openai_chat.answer import read_answer
from batch.wire.openai_chat.fold import Fold


class OpenAiChat:
    """``POST /v1/chat/completions``: one call, one answer, no state."""

    name = "chat"
    endpoint = asked.ENDPOINT
    claims = staticmethod(asked.claims)
    mine = staticmethod(asked.mine)
    shape = staticmethod(asked.shape)
    build = staticmethod(asked.build)
    repeat = staticmethod(asked.repeat)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)

    def start(self, request: Request) -> Step:
        """Send the body."""
        call = Call(
            method="POST",
            path=self.endpoint,
            payload=request.body,
            repeat=self.repeat(request),
            expect="events" if asked.streams(request) else "json",
        )
        return Send(call)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or raise what the reply is instead."""
        return Done(read_answer(reply))

    def resume(self, request: Request, state: State) -> Step:
        """Send the body: a chat call never waits, so no state of it is ever kept."""
        return self.start(request)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return Fold()


FORMAT: Final[WireFormat] = OpenAiChat()

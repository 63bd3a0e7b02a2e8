"""Chat completions, the dialect of OpenAI that the gateway speaks for all its models.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures, films and
speech in it, ``usage`` what it took, ``fold`` puts a stream together, its texts and parts in
``content``, ``said`` is what people read.
"""

from __future__ import annotations

from batch.records import Payload, Request
from batch.wire import OutputLimit, WireFormat
from batch.wire._answered import Answered
from batch.wire._files import attached
from batch.wire.openai_chat import request as asked
from batch.wire.openai_chat import said
from batch.wire.openai_chat.answer import read_answer
from batch.wire.openai_chat.fold import Fold


class OpenAiChat(Answered):
    """``POST /v1/chat/completions``: one call, one answer; then its pictures, if it links any."""

    name = "chat"
    builds_for: tuple[str, ...] = ("*",)  # every model that writes is served here
    output_limit: OutputLimit | None = asked.OUTPUT_LIMIT
    routes = (asked.ROUTE,)
    fold = Fold
    mine = staticmethod(asked.mine)
    shape = staticmethod(asked.shape)
    build = staticmethod(asked.build)
    with_schema = staticmethod(asked.with_schema)
    go_on = staticmethod(asked.go_on)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)
    read = staticmethod(read_answer)
    prompt = staticmethod(said.prompt)
    text = staticmethod(said.text)
    beside = staticmethod(said.beside)

    def payload(self, request: Request) -> Payload:
        """Return the body with the files that it names."""
        return attached(request.body, asked.FILES)


FORMAT: WireFormat = OpenAiChat()

"""Messages, the dialect of Anthropic: ``POST /v1/messages``.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures and films
in it, ``usage`` what it took, ``fold`` puts a stream together, ``said`` is what people read.
"""

from __future__ import annotations

from batch.records import Payload, Request
from batch.wire import OutputLimit, WireFormat, Wrapper
from batch.wire._answered import Answered
from batch.wire.anthropic_messages import request as asked
from batch.wire.anthropic_messages import said
from batch.wire.anthropic_messages.answer import read_answer
from batch.wire.anthropic_messages.fold import Fold


class AnthropicMessages(Answered):
    """One call, one answer; then its pictures, if a model that makes some links to them."""

    name = "messages"
    wrapper: Wrapper | None = Wrapper("custom_id", "params", "Anthropic")  # Message Batches
    # On the way through OpenAI's dialect a schema is dropped without a word, and texts of an answer
    # that has several.
    builds_for: tuple[str, ...] = ("*claude*",)
    output_limit: OutputLimit | None = asked.OUTPUT_LIMIT
    routes = (asked.ROUTE,)
    headers = asked.HEADERS
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
        return asked.payload(request.body)


FORMAT: WireFormat = AnthropicMessages()

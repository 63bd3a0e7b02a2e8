"""Messages, the dialect of Anthropic: ``POST /v1/messages``.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures and films
in it, ``usage`` what it took, ``fold`` puts a stream together.
"""

from __future__ import annotations

from batch.records import Payload, Request
from batch.wire import WireFormat, Wrapper
from batch.wire._answered import Answered
from batch.wire.anthropic_messages import request as asked
from batch.wire.anthropic_messages.answer import read_answer
from batch.wire.anthropic_messages.fold import Fold


class AnthropicMessages(Answered):
    """One call, one answer; then its pictures, if a model that makes some links to them."""

    name = "messages"
    wrapper: Wrapper | None = Wrapper(id_key="custom_id", body_key="params")  # Message Batches
    routes = (asked.ROUTE,)
    headers = asked.HEADERS
    fold = Fold
    mine = staticmethod(asked.mine)
    shape = staticmethod(asked.shape)
    build = staticmethod(asked.build)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)
    read = staticmethod(read_answer)

    def payload(self, request: Request) -> Payload:
        """Return the body with the files that it names."""
        return asked.payload(request.body)


FORMAT: WireFormat = AnthropicMessages()

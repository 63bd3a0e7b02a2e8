"""Content generation, Google's own dialect, with the model in the path.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures and sounds
in it, ``usage`` what it took, ``fold`` puts a stream together, ``said`` is what people read,
``spelling`` reads keys as they are spelled.
"""

from __future__ import annotations

from batch.records import Payload, Request
from batch.wire import Ask, OutputLimit, Shaped, WireFormat, Wrapper
from batch.wire._answered import Answered
from batch.wire._files import attached
from batch.wire.gemini import request as asked
from batch.wire.gemini import said
from batch.wire.gemini.answer import read_answer
from batch.wire.gemini.fold import Fold


class Gemini(Answered):
    """One call, one answer; then its pictures, if a relay only links to them."""

    name = "gemini"
    output_limit: OutputLimit | None = asked.OUTPUT_LIMIT
    routes = asked.ROUTES
    fold = Fold
    wrapper: Wrapper | None = Wrapper("key", "request", "Gemini")
    mine = staticmethod(asked.mine)
    build = staticmethod(asked.build)
    with_schema = staticmethod(asked.with_schema)
    go_on = staticmethod(asked.go_on)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)
    streams = staticmethod(asked.streams)
    read = staticmethod(read_answer)
    prompt = staticmethod(said.prompt)
    text = staticmethod(said.text)
    beside = staticmethod(said.beside)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body, and put the model into the path. Raises ``BadBody``."""
        return asked.shape(body, ask, self.found(ask))

    def payload(self, request: Request) -> Payload:
        """Return the body with the files that it names: this vendor reads no address itself."""
        return attached(request.body, asked.FILES, types=asked.TYPES, convert=True)


FORMAT: WireFormat = Gemini()

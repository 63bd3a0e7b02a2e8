"""Content generation, Google's own dialect, with the model in the path.

``request`` is what is asked, ``answer`` what counts as answered, ``media`` the pictures and sounds
in it, ``usage`` what it took, ``fold`` puts a stream together, ``spelling`` reads keys as they are
spelled.
"""

from __future__ import annotations

import msgspec

from batch.records import Call, Done, Reply, Request, Send, State, Step
from batch.wire import Ask, Folder, Shaped, WireFormat, Wrapper
from batch.wire._base import Plain
from batch.wire._collect import collect, collected, resumed
from batch.wire._files import attached
from batch.wire.gemini import request as asked
from batch.wire.gemini.answer import read_answer
from batch.wire.gemini.fold import Fold


class Gemini(Plain):
    """One call, one answer; then its pictures, if a relay only links to them."""

    name = "gemini"
    routes = asked.ROUTES
    wrapper: Wrapper | None = Wrapper("key", "request")
    mine = staticmethod(asked.mine)
    build = staticmethod(asked.build)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body, and put the model into the path. Raises ``BadBody``."""
        return asked.shape(body, ask, self.found(ask))

    def start(self, request: Request) -> Step:
        """Send the body, with the files that it names: this vendor reads no address itself."""
        call: Call = msgspec.structs.replace(
            self.call(request),
            payload=attached(request.body, asked.FILES, types=asked.TYPES, convert=True),
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
        """Go on with fetching files: the only thing that is waited for here."""
        return resumed(request, state)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return Fold()


FORMAT: WireFormat = Gemini()

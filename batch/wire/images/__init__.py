"""Pictures: ``POST /v1/images/generations`` from a text, ``POST /v1/images/edits`` from pictures.

``request`` is what is asked, ``answer`` what counts as answered, ``usage`` what it took, ``fold``
puts a stream together.
"""

from __future__ import annotations

import msgspec

from batch.records import Call, Done, Reply, Request, Send, State, Step
from batch.wire import Ask, Folder, Shaped, WireFormat
from batch.wire._base import Plain
from batch.wire._collect import collect, collected, resumed
from batch.wire.images import request as asked
from batch.wire.images.answer import read_answer
from batch.wire.images.fold import Fold


class Images(Plain):
    """One call, one answer; then its pictures, if it names them by their addresses.

    A body without a url is a generation: pictures to begin with alone do not make it an edit, as
    some models take them there too.
    """

    name = "images"
    routes = (asked.GENERATIONS, asked.EDITS)
    mine = staticmethod(asked.mine)
    build = staticmethod(asked.build)
    estimate = staticmethod(asked.estimate)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body; set the model. Raises ``BadBody``."""
        return asked.shape(body, ask, self.found(ask).route)

    def start(self, request: Request) -> Step:
        """Send the body, with the files that it names: as JSON, or for an edit as a form."""
        call: Call = msgspec.structs.replace(
            self.call(request),
            payload=asked.payload(request),
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
        return collect(request, answer, [[one] for one in addresses], "image/")

    def resume(self, request: Request, state: State) -> Step:
        """Go on with fetching files: the only thing that is waited for."""
        return resumed(request, state)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return Fold()


FORMAT: WireFormat = Images()

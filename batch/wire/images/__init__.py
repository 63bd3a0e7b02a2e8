"""Pictures: ``POST /v1/images/generations`` from a text, ``POST /v1/images/edits`` from pictures.

``request`` is what is asked, ``answer`` what counts as answered, ``usage`` what it took, ``fold``
puts a stream together.
"""

from __future__ import annotations

from batch.wire import Ask, Shaped, WireFormat
from batch.wire._answered import Answered
from batch.wire.images import request as asked
from batch.wire.images.answer import read_answer
from batch.wire.images.fold import Fold


class Images(Answered):
    """One call, one answer; then its pictures, if it names them by their addresses.

    A body without a url is a generation: pictures to begin with alone do not make it an edit, as
    some models take them there too.
    """

    name = "images"
    routes = (asked.GENERATIONS, asked.EDITS)
    fold = Fold
    mine = staticmethod(asked.mine)
    build = staticmethod(asked.build)
    estimate = staticmethod(asked.estimate)
    bound = staticmethod(asked.bound)
    payload = staticmethod(asked.payload)
    read = staticmethod(read_answer)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body; set the model. Raises ``BadBody``."""
        return asked.shape(body, ask, self.found(ask).route)


FORMAT: WireFormat = Images()

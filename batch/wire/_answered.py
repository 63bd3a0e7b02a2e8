"""Formats of one call and one answer, which may come as events and may lead to files on the web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from batch.records import Answer, Done, Payload, Reply, Request, Send, State, Step
from batch.wire import Folder
from batch.wire._base import Plain, asks_for_events
from batch.wire._collect import collect, collected, resumed


class Answered(Plain):
    """Such a format begins here, and says how its answers are read and folded."""

    fold: ClassVar[type[Folder]]

    def payload(self, request: Request) -> Payload:
        """Return what is sent: the body, with the files that it names."""
        return request.body

    def streams(self, request: Request) -> bool:
        """Return whether the answer is asked for as events."""
        return asks_for_events(request.body)

    def read(self, request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
        """Return the answer, and for each file that is still to be fetched for it the addresses.

        Raises ``CallFailed`` for a reply that is no complete answer.
        """
        raise NotImplementedError

    def start(self, request: Request) -> Step:
        """Send the body."""
        streams = self.streams(request)
        return Send(self.call(request, self.payload(request), "events" if streams else "json"))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or first the steps that fetch its files. Raises ``CallFailed``."""
        if state is not None:
            return collected(request, state, reply)
        answer, files = self.read(request, reply)
        return collect(request, answer, files, f"{request.makes}/") if files else Done(answer)

    def resume(self, request: Request, state: State) -> Step:
        """Go on with fetching files: the only thing that is waited for."""
        return resumed(request, state)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return self.fold()

"""Formats of work that is submitted, asked after, and fetched."""

from __future__ import annotations

from batch.records import Call, Reply, Request, Send, State, Step
from batch.wire import Estimate
from batch.wire._base import Plain
from batch.wire._collect import DOING, collected, resumed


class Tasked(Plain):
    """Such a format begins here, and says what its replies mean and how it is asked after."""

    def first(self, request: Request, reply: Reply) -> Step:
        """Return what follows from the reply to the line's own call. Raises ``CallFailed``."""
        raise NotImplementedError

    def poll(self, request: Request, state: State) -> Call:
        """Return the call that asks how far the task is."""
        raise NotImplementedError

    def polled(self, request: Request, state: State, reply: Reply) -> Step:
        """Return what follows from how far the task is. Raises ``CallFailed``."""
        raise NotImplementedError

    def estimate(self, request: Request) -> Estimate:
        """Return nothing: such work is not counted in tokens."""
        return Estimate(0, 0)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the step that follows from a reply. Raises ``CallFailed``."""
        if state is None:
            return self.first(request, reply)
        if state["do"] == DOING:
            return collected(request, state, reply)
        return self.polled(request, state, reply)

    def resume(self, request: Request, state: State) -> Step:
        """Go on asking after the task, or fetching its files."""
        if state["do"] == DOING:
            return resumed(request, state)
        return Send(self.poll(request, state), state)

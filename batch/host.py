"""The program in which a run takes place: how that may end it, and what it learns of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol

from batch.collector import lean_collector
from batch.ledger.book import Book
from batch.plan import Plan
from batch.session.ending import Ending, Watch, abrupt, signals
from batch.surroundings import return_large_blocks


class Host(Protocol):
    """What a run is a part of."""

    def reading(self, watch: Watch) -> AbstractContextManager[None]:
        """Return what holds while inputs are read and nothing is sent."""
        ...

    def begun(self, plan: Plan, book: Book) -> None:
        """Take note that the logs are open, before anything is added to them."""
        ...

    def sending(self, ending: Ending) -> AbstractContextManager[None]:
        """Return what holds while lines are sent."""
        ...


class OwnProcess:
    """The command: its signals end the run, and its memory is arranged for nothing else."""

    def reading(self, watch: Watch) -> AbstractContextManager[None]:
        """Have signals end the process at once."""
        return abrupt(watch)

    def begun(self, plan: Plan, book: Book) -> None:
        """Nobody else wants to know."""

    @contextlib.contextmanager
    def sending(self, ending: Ending) -> Iterator[None]:
        """Have signals end the run in order."""
        return_large_blocks()
        with lean_collector(), signals(ending):
            yield


COMMAND: Final[Host] = OwnProcess()

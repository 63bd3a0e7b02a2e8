"""The results of a run as a list that is read from disk when it is looked at."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, overload

from batch import runs
from batch.api.result import Result, result_of
from batch.ledger.paths import paths_of
from batch.results.logs import Logs
from batch.session.summary import Outcome
from batch.wording import counted

if TYPE_CHECKING:
    import pandas as pd


class Results(Sequence[Result]):
    """What became of the lines that have ended, in the order of the inputs.

    As the run stood when this was made, also if it goes on. ``results[0]`` is that of the first
    line, ``results["r7"]`` that of the line with this custom_id. In memory are 8 bytes a line.
    """

    def __init__(self, output: str | os.PathLike[str], outcome: Outcome | None = None) -> None:
        """Raises NoInput if no run was begun there, BadData for one that is damaged."""
        self._output = os.fspath(output)
        self._paths = paths_of(self._output)
        opened = ExitStack()
        self._logs = opened.enter_context(Logs(self._paths))
        weakref.finalize(self, opened.close)
        self._outcome = outcome
        self._places: array[int] | None = None

    @property
    def outcome(self) -> Outcome:
        """What the run came to, or where it stands: exit code, summary, closing lines."""
        if self._outcome is None:
            self._outcome = runs.status(self._paths.results)
        return self._outcome

    @property
    def answered(self) -> int:
        """How many lines have an answer."""
        return self._logs.answered.count

    @property
    def failed(self) -> int:
        """How many lines ended with an error."""
        return self._logs.failed.count

    def errors(self) -> Iterator[Result]:
        """Yield the lines that ended with an error."""
        return (result_of(record, self._paths.folder) for record in self._logs.errors())

    def __len__(self) -> int:
        return self.answered + self.failed

    def __contains__(self, which: object) -> bool:
        """Return whether a line with this custom_id has ended."""
        if isinstance(which, str):
            return self._logs.find(which, None) is not None
        return super().__contains__(which)

    def __iter__(self) -> Iterator[Result]:
        return map(self._at, self._ordered())

    @overload
    def __getitem__(self, which: int | str) -> Result: ...
    @overload
    def __getitem__(self, which: slice) -> list[Result]: ...
    def __getitem__(self, which: int | str | slice) -> Result | list[Result]:
        if isinstance(which, str):
            record = self._logs.find(which, None)
            if record is None:
                raise KeyError(which)
            return result_of(record, self._paths.folder)
        if isinstance(which, slice):
            return [self._at(place) for place in self._ordered()[which]]
        return self._at(self._ordered()[which])

    def to_pandas(
        self,
        columns: Sequence[str] = (),
        *,
        inputs: bool = True,
        prices: Sequence[str | os.PathLike[str]] = (),
    ) -> pd.DataFrame:
        """Return a DataFrame with a row for each line, in the order of the inputs.

        Its columns are those of ``wbatch export --errors``: custom_id, label, text, finish, model,
        tokens, cost, error, message, and with ``inputs`` what the lines say besides. ``columns``
        names others. ``prices`` are files of prices, before those of the user's own settings; what
        a rehearsal would cost is told if they are given. Raises BadConfig if pandas is not
        installed, BadUsage for a column that is none.
        """
        from batch.api.frame import frame  # noqa: PLC0415 - it needs the whole way of an export

        return frame(self._paths, tuple(columns), inputs, tuple(os.fspath(one) for one in prices))

    def __repr__(self) -> str:
        return (
            f"Results({self._output}: {counted(self.answered, 'answer')}, "
            f"{counted(self.failed, 'error')})"
        )

    def _ordered(self) -> array[int]:
        if self._places is None:
            self._places = self._logs.ordered()
        return self._places

    def _at(self, place: int) -> Result:
        return result_of(self._logs.at(place), self._paths.folder)


def read(output: str | os.PathLike[str]) -> Results:
    """Return the results of a run by the file of its answers, whether it has ended or not.

    Raises NoInput if no run was begun there, BadData for one that is damaged.
    """
    return Results(output)

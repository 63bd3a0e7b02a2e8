"""A look at the lines that are still to be asked, before any of them is.

It costs some 30 µs a line, so that only so many are looked at; what is beyond is taken to be like
them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from batch.estimating.sums import Estimator, Place
from batch.estimating.told import Estimated, Taken
from batch.files import OsFiles
from batch.inputs.envelope import Reader
from batch.ledger.paths import Paths
from batch.ledger.recover import recover
from batch.ledger.state import History
from batch.ledger.totals import COUNTS
from batch.opening import open_run
from batch.plan import Plan, wanted_of
from batch.pricing import PriceBook
from batch.records import BadLine
from batch.report.buckets import Amounts
from batch.settings.tree import Settings
from batch.shares import choice, input_settings, script
from batch.texts import read_texts
from batch.usage import Meter
from batch.wire import formats

LOOKED: Final = 100_000  # lines that are understood
PASSED: Final = 1_000_000  # lines that are read to find them
COMPARED: Final = 1000  # lines with an answer, of which it is looked what was guessed of them


class Unwritten(Paths, frozen=True):
    """The files of a run, with another place for what has to be written to read them."""

    scratch: str = ""

    @property
    def cache(self) -> str:
        """Return a folder that is gone afterwards."""
        return self.scratch


@contextmanager
def planned(settings: Settings, output: str | None) -> Iterator[Plan]:
    """Open what a run would, to look at it. Raises whatever Refusal would keep the run from going.

    ``output`` is where its answers go; None: nothing was said, and so nothing is there yet.
    """
    files, asking, texts = OsFiles(), script(settings), read_texts(settings.request)
    with tempfile.TemporaryDirectory(prefix="wbatch-estimate-") as folder:
        results = os.path.realpath(output or os.path.join(folder, "out.jsonl"))
        there, paths = Paths(results), Unwritten(results, folder)
        begun = not settings.run.new_run and files.length(there.journal)
        found = recover(files, there) if begun else None
        wanted = wanted_of(settings, asking, texts, choice(settings.run))
        yield Plan(settings, paths, open_run(files, paths, found, wanted), asking, None, texts)


def reader_of(plan: Plan) -> Reader:
    """Return what understands the lines of a plan."""
    opened = plan.opened
    return Reader(formats(), input_settings(plan.settings, opened.reading), opened.inputs.forms)


def outlook(plan: Plan, book: PriceBook, at: float, most: int = LOOKED) -> Estimated:
    """Return what is likely to be taken by what a session is to ask, at prices as of ``at``.

    At most so many lines are looked at.
    """
    opened, history = plan.opened, plan.history
    reader = reader_of(plan)
    estimator = Estimator(book, at, plan.script, formats())
    wanted, last = plan.wanted(history), plan.last
    most, looked, compared = min(most, plan.todo), 0, 0
    for passed, line in enumerate(opened.inputs.lines()):
        if looked >= most or passed >= PASSED or line.ordinal > last:
            break
        if wanted(line.ordinal):
            looked += 1
            row = reader.parse(line)
            if isinstance(row, BadLine):
                estimator.add_broken()
            else:
                estimator.add(row)
        elif compared < COMPARED and line.ordinal in history.answered:
            compared += 1
            row = reader.parse(line)
            if not isinstance(row, BadLine):
                estimator.add_answered(row)
    return estimator.estimated(plan.todo, taken(history))


def taken(history: History) -> dict[Place, Taken]:
    """Return what a run's answers took so far, by model and endpoint."""
    known: dict[Place, Taken] = {}
    for (_, model, endpoint, *_), sums in history.totals.buckets.items():
        before = known.get((model, endpoint), Taken(0, 0, 0, {}))
        counts: dict[Meter, int] = dict(before.counts)
        for meter, count in msgspec.convert(sums, Amounts).counts().items():
            counts[meter] = counts.get(meter, 0) + count
        known[model, endpoint] = Taken(
            before.lines + int(sums.get(COUNTS["result"], 0)),
            before.requests + int(sums.get("num_model_requests", 0)),
            before.unreported + int(sums.get("num_usage_unknown", 0)),
            counts,
        )
    return known

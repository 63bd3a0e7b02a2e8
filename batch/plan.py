"""What one session is to do: settings, files, what nothing stands against, and which lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from batch.inputs.chosen import Choice
from batch.inputs.envelope import Reader
from batch.inputs.form import UTF8, known_encoding
from batch.ledger.entries import Entry
from batch.ledger.paths import Paths
from batch.ledger.publish import Failed
from batch.ledger.state import History, Open
from batch.ledger.totals import NOTHING
from batch.opening import Opened, Wanted
from batch.records import BadLine, Row
from batch.script import Script
from batch.secret import Redactor
from batch.settings.tree import BudgetSettings, Limits, Settings
from batch.texts import digests, reading
from batch.wording import counted

if TYPE_CHECKING:  # they load what only runs, or only templates need
    from batch.feed import Lines
    from batch.inputs.lines import RawLine
    from batch.template import Text

_NO_END: Final = 1 << 62  # lines that were added since the run began are read too
SKIPPED_AT_ONCE: Final = 1000  # lines passed over before others get their turn


class Plan(msgspec.Struct, frozen=True):
    """What one session is to do."""

    settings: Settings
    paths: Paths
    opened: Opened
    script: Script
    redo: Mapping[int, Failed] | None = None  # retry: lines to ask again → their errors
    texts: Mapping[str, Text] = {}  # the templates

    @property
    def todo(self) -> int:
        """Return how many lines are to be asked."""
        if self.redo is not None:
            return len(self.redo)
        return self.asked - (self.ended(self.opened.found.history) if self.opened.found else 0)

    @property
    def asked(self) -> int:
        """Return how many lines this command is for, whether they have ended or not."""
        chosen = self.opened.chosen
        return self.opened.census.lines if chosen is None else chosen.lines

    def ended(self, history: History) -> int:
        """Return how many of these have ended."""
        if self.opened.chosen is not None:
            return self.opened.chosen.count(history.ended)
        return history.answered.count + history.failed.count

    @property
    def history(self) -> History:
        """Return what earlier sessions left, as it was found."""
        return self.opened.found.history if self.opened.found else History()

    @property
    def last(self) -> int:
        """Return the ordinal after which no line is to be asked."""
        return self.opened.chosen.last if self.opened.chosen else _NO_END

    def wanted(self, history: History) -> Callable[[int], bool]:
        """Return what says of an ordinal whether its line is to be asked."""
        ended, redo, chosen = history.ended, self.redo, self.opened.chosen

        def is_wanted(ordinal: int) -> bool:
            wanted = ordinal in redo if redo is not None else not ended(ordinal)
            return wanted and (chosen is None or ordinal in chosen)

        return is_wanted

    def unasked(self) -> Iterator[RawLine]:
        """Yield the lines that a session will ask, as they stand there."""
        wanted, last = self.wanted(self.history), self.last
        for line in self.opened.inputs.lines():
            if line.ordinal > last:
                return
            if wanted(line.ordinal):
                yield line

    def pending(self, reader: Reader, history: History, redactor: Redactor) -> Lines:
        """Yield the lines still to be asked, understood; now and then None for a breath."""
        wanted, last, skipped = self.wanted(history), self.last, 0
        # A line is read once: none that ends while the others are read would be met again.
        all_new = self.redo is None and self.opened.chosen is None and not history.last()
        for line in self.opened.inputs.lines():
            if line.ordinal > last:
                return
            if all_new or wanted(line.ordinal):
                told = reader.parse(line)
                yield told if isinstance(told, Row) else _without_keys(told, redactor)
                continue
            skipped += 1
            if skipped % SKIPPED_AT_ONCE == 0:
                yield None

    def begun(self, history: History) -> dict[int, Open]:
        """Return what earlier sessions left of lines that did not end; the history goes on."""
        begun = {
            ordinal: msgspec.structs.replace(one, parts=list(one.parts))
            for ordinal, one in history.open.items()
        }
        for ordinal, failed in (self.redo or {}).items():
            one = begun.setdefault(ordinal, Open(attempts=failed.attempts))
            one.maybe_billed = failed.maybe_billed
            if one.outdated:
                one.parts.clear()  # what other settings were told is no part of this answer
        return begun

    @property
    def owed(self) -> int:
        """Return with how many tasks it goes on for which earlier sessions have money kept back."""
        wanted, changed = self.wanted(self.history), self.opened.dropped
        begun = self.history.open.items()
        return sum(one.owed is not None and wanted(n) and n not in changed for n, one in begun)

    @property
    def announcement(self) -> str:
        """Return what is about to happen, and which limits hold, for people."""
        limits, budget = self.settings.limits, self.settings.budget
        unsaid = "" if limits.concurrency else " (nothing else was said; -c N changes it)"
        chosen = self.opened.chosen
        part = f" ({chosen.words})" if chosen is not None else ""
        return (
            f"{counted(self.opened.census.lines, 'line')}, {self.todo:,} to ask{part}, "
            f"at most {', '.join([f'{limits.at_most} at once{unsaid}', *_said(limits, budget)])}"
        )


def _said(limits: Limits, budget: BudgetSettings) -> Iterator[str]:
    """Yield the limits that somebody has set, in words."""
    if limits.rpm:
        yield counted(limits.rpm, "request") + " a minute"
    if limits.tpm:
        yield counted(limits.tpm, "token") + " a minute"
    named = {
        "--max-cost": budget.max_cost,
        "--max-requests": budget.max_requests,
        "--max-duration": budget.max_duration,
        "--finish-by": budget.finish_by,
    }
    yield from (f"{flag} {value}" for flag, value in named.items() if value is not None)


def _without_keys(line: BadLine, redactor: Redactor) -> BadLine:
    """Return a line; what is wrong with it is said in its words, and people paste keys there."""
    return msgspec.structs.replace(line, message=redactor.clean_text(line.message))


def identity(
    settings: Settings, script: Script, texts: Mapping[str, Text] = NOTHING
) -> dict[str, Any]:
    """Return what makes another answer: it must not change while a run goes on."""
    request = settings.request
    built = {
        **digests(texts),
        "params": _written(request.params),
        "encoding": None if known_encoding(request.encoding) == UTF8 else request.encoding,
        "id_column": request.id_column,
    }
    return {
        "model": request.model,
        "override_model": request.override_model,
        "endpoint": request.endpoint,
        "add_usage": request.add_usage,
        "mock": settings.run.mock,
        **{name: value for name, value in built.items() if value is not None},
        **script.identity(),
    }


def wanted_of(
    settings: Settings, script: Script, texts: Mapping[str, Text], choice: Choice
) -> Wanted:
    """Return what the settings ask to be run."""
    return Wanted(
        inputs=settings.inputs,
        max_line_bytes=settings.limits.max_line_bytes,
        identity=identity(settings, script, texts),
        keep_answers=settings.run.keep_answers,
        note_models=len(settings.keys) > 1,
        reading=reading(settings.request, texts),
        choice=choice,
    )


def _written(params: Mapping[str, Any]) -> str | None:
    """Return parameters as a text, which is the same whatever their order."""
    return orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode() if params else None


def as_recorded(settings: Settings, then: Mapping[str, Any]) -> Settings:
    """Return the settings with what a run's identity says of the requests, and of the mock."""
    request = msgspec.structs.replace(
        settings.request,
        **{name: then.get(name) for name in ("model", "override_model", "endpoint")},
        add_usage=bool(then.get("add_usage", True)),
        encoding=then.get("encoding"),
        params=orjson.loads(then.get("params") or "{}"),
        id_column=then.get("id_column"),
    )
    mock = bool(then.get("mock"))
    return msgspec.structs.replace(
        settings, request=request, run=msgspec.structs.replace(settings.run, mock=mock)
    )


def as_begun(settings: Settings, header: Entry | None) -> Settings:
    """Return the settings with what a run's first session knew of its models and they do not.

    No other answer comes of it, so that it is no part of the identity; but what makes pictures is
    never paid twice.
    """
    made = (header.run or {}).get("makes", {}) if header is not None else {}
    makes = {**made, **settings.media.makes}
    media = msgspec.structs.replace(settings.media, makes=makes)
    return msgspec.structs.replace(settings, media=media)

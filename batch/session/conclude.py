"""From a session's end to its outcome: what the ledger says, published and put into words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from batch.bottleneck import Bottleneck
from batch.errors import CAPPED, CannotWrite
from batch.files import Files, read_whole
from batch.inputs.chosen import Chosen
from batch.ledger import publish
from batch.ledger.book import Book
from batch.ledger.holder import going_on, stopped_holder
from batch.ledger.paths import Paths
from batch.ledger.recover import Found
from batch.ledger.state import History
from batch.ledger.totals import NOTHING
from batch.session.advice import Closure, paragraphs
from batch.session.live import halted, read_live
from batch.session.summary import (
    NO_ACCESS,
    NOT_ASKED,
    Outcome,
    Session,
    Standing,
    closing_lines,
    exit_code,
    manifest,
)
from batch.signals import SIGNALS
from batch.wording import agreeing, counted

PARTIAL: Final = 3
_PART: Final = "every line that was to be asked is answered"


class Facts(msgspec.Struct, frozen=True):
    """What one session knows beside the ledger."""

    total: int
    started_at: float
    seconds: float
    todo: int  # lines that it was to ask
    recorded: int
    retries: int
    reasons: Mapping[int, str]
    closed: Sequence[Closure] = ()
    base_url: str = ""
    notes: Sequence[str] = ()
    bottlenecks: Sequence[Bottleneck] = ()  # the greatest first
    tags: Mapping[str, str] = NOTHING  # as they were said this time
    budget: Mapping[str, Any] | None = None  # what was spent of it, if one was set
    chosen: Chosen | None = None  # the lines that were to be asked; None: all
    silence: str = ""  # what the last failure said, if the gateway gave no answer at the end


def session(files: Files, paths: Paths, book: Book, facts: Facts) -> Outcome:
    """Return what a session came to. Publishes it, unless nothing happened since it was last."""
    failures = publish.failed_lines(files, paths, book.history).values()
    stand = _standing(files, paths, book, failures, facts.total, facts.tags)
    pending, failed = _asked_for(stand, book.history, facts.chosen)
    advice = paragraphs(facts.closed, pending, facts.base_url)
    reasons = _reasons(facts, pending, failed, advice)
    what = Session(
        started_at=facts.started_at,
        seconds=facts.seconds,
        recorded=facts.recorded,
        retries=facts.retries,
        reasons=reasons,
        closed=facts.closed,
        advice=advice,
        notes=facts.notes,
        bottlenecks=facts.bottlenecks,
        budget=facts.budget,
        chosen=facts.chosen.words if facts.chosen else "",
        unasked=(stand.pending or 0) - pending,
    )
    summary = manifest(stand, what)
    lines = closing_lines(stand, what)
    try:
        if facts.recorded or set(reasons) - {0, PARTIAL} or _out_of_date(files, paths, summary):
            rows = publish.usage_rows(book.history, book.run_id, failures, stand.labels)
            publish.publish_usage(files, paths, rows)
            publish.publish_object(files, paths.manifest, summary)
            with contextlib.suppress(OSError):
                files.remove(paths.live)  # one that is left says itself how old it is
    except OSError as error:
        # They can be made again, and so this is no end of its own: the logs have all of it.
        if CannotWrite.exit_code not in reasons:
            lines = (*lines, _unpublished(paths, error))
    return Outcome(exit_code(reasons), summary, lines)


def _reasons(
    facts: Facts, pending: int, failed: int, advice: Sequence[Sequence[str]]
) -> dict[int, str]:
    """Return why a session ended, by exit code.

    ``pending`` and ``failed`` count the lines that were to be asked; ``advice`` has a paragraph for
    each thing that is closed.
    """
    reasons = dict(facts.reasons)
    if facts.recorded >= facts.todo:
        reasons.pop(CAPPED, None)  # a limit that was reached as the last lines ended
    if pending and facts.silence:
        _tell_silence(reasons, facts.silence)
    if advice:
        reasons[NO_ACCESS] = "; ".join(what for what, *_ in advice)
    if pending and not reasons:
        were = agreeing(pending, "was", "were")
        reasons[NOT_ASKED] = f"{counted(pending, 'line')} {were} not asked"
    if failed:
        reasons[PARTIAL] = f"{counted(failed, 'line')} failed"
    if not reasons:
        reasons[0] = "every line is answered" if facts.chosen is None else _PART
    return reasons


def _tell_silence(reasons: dict[int, str], silence: str) -> None:
    """Say of an end that has other reasons that it came while nobody answered."""
    for code in (*SIGNALS.values(), CAPPED):
        if code in reasons:
            said = f"the gateway gave no answer, the last failure: {silence.rstrip('. ')}"
            reasons[code] += f"; until then {said}"
            return


def _unpublished(paths: Paths, error: OSError) -> str:
    """Return what is said of totals and a summary that are not those of now."""
    return (
        f"but      {paths.folder}: usage.jsonl and run.json may be out of date: "
        f"{error.strerror or error}. The same command writes them once the cause is mended"
    )


def _asked_for(stand: Standing, history: History, chosen: Chosen | None) -> tuple[int, int]:
    """Return how many of the lines that were to be asked have no record, and how many failed."""
    if chosen is None:
        return stand.pending or 0, stand.failed
    failed = chosen.count(lambda ordinal: ordinal in history.failed)
    return chosen.lines - chosen.count(history.ended), failed


def standing(files: Files, paths: Paths, found: Found, now: float) -> Outcome:
    """Return how a run stands by its files alone; ``now`` in seconds since the epoch."""
    total = _recorded_total(files, paths, found)
    failures = publish.failed_lines(files, paths, found.history).values()
    stand = _standing(files, paths, found, failures, total)
    ended = PARTIAL if stand.failed else 0
    code = ended if stand.pending == 0 else NOT_ASKED
    live = read_live(files, paths, now)
    summary, lines = manifest(stand, None), closing_lines(stand, None)
    summary["x_run"]["live"] = live.told() if live else None
    if live is not None and stand.pending != 0:
        then = live.next()
        lines = (*live.lines(), *lines[:-1], f"next     {then}" if then else lines[-1])
    elif stand.pending != 0 and (pid := stopped_holder(files, paths.lock)):
        lines = (halted(pid), *lines[:-1], f"next     {going_on(pid)}")  # before its first word
    summary["x_run"]["notes"] = found.losses
    return Outcome(code, summary, (*(f"lost     {one}" for one in found.losses), *lines))


def usage(files: Files, paths: Paths, found: Found) -> Iterator[dict[str, Any]]:
    """Yield a run's usage totals as its logs have them."""
    failures = publish.failed_lines(files, paths, found.history).values()
    stand = _standing(files, paths, found, failures, None)
    yield from publish.usage_rows(found.history, found.run_id, failures, stand.labels)


def _out_of_date(files: Files, paths: Paths, summary: Mapping[str, Any]) -> bool:
    """Return whether the published files say other than the logs: a session died before its end."""
    before = _published(files, paths.manifest)
    told = ("status", "request_counts", "usage", "metadata")
    return any(before.get(name) != summary[name] for name in told) or not files.identity(
        paths.usage
    )


def _published(files: Files, path: str) -> dict[str, Any]:
    """Return a file that can be made again, or nothing of one that cannot be read."""
    try:
        value = orjson.loads(read_whole(files, path) or b"null")
    except (OSError, orjson.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _recorded_total(files: Files, paths: Paths, found: Found) -> int | None:
    """Return how many lines the inputs had when they were last read."""
    for path, where in (
        (paths.live, ("lines",)),
        (paths.manifest, ("request_counts", "total")),
    ):
        value: Any = _published(files, path)
        for name in where:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, int):
            return value
    header = found.history.header
    return (header.run or {}).get("lines") if header else None


def _from_here(path: str) -> str:
    """Return a path as people would type it from where they are."""
    try:
        near = os.path.relpath(path)
    except FileNotFoundError:  # that folder is gone
        return path
    return path if near.startswith("..") else f"./{near}" if near.startswith("-") else near


def _tags(files: Files, paths: Paths, header: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that the run has: those it began with, and those of later sessions."""
    later = _published(files, paths.manifest).get("metadata")
    return {**(header.get("tags") or {}), **(later or {})}


def _standing(
    files: Files,
    paths: Paths,
    run: Book | Found,
    failed: Collection[publish.Failed],
    total: int | None,
    tags: Mapping[str, str] = NOTHING,
) -> Standing:
    history = run.history
    header: dict[str, Any] = (history.header.run or {}) if history.header else {}
    return Standing(
        run_id=run.run_id,
        output=paths.results,
        folder=paths.folder,
        shown=_from_here(paths.results),
        created_at=int(header.get("created_at", 0)),
        total=total,
        ok=history.answered.count,
        failed=history.failed.count,
        classes=publish.error_classes(failed),
        retryable=sum(one.retryable for one in failed),
        tasks=sum(one.state is not None for one in history.open.values()),
        usage=history.totals.sum(),
        header=header | {"identity": history.identity},
        tags={**_tags(files, paths, header), **tags},
    )

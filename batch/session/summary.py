"""What a run came to: the manifest for programs, the closing lines for people, the exit code.

Functions of what the ledger says and of why this session ended. No files, no clock.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from batch.bottleneck import WORTH_SHARE, Bottleneck
from batch.errors import CAPPED, CannotWrite, NoAccess
from batch.ledger.paths import folder_of
from batch.session.advice import Closure
from batch.session.snapshot import span
from batch.wording import agreeing, counted, large

# When several apply, the first of these is the exit code; run.json has them all.
PRECEDENCE: Final = (130, 143, 73, 1, 2, 78, 66, 65, 77, 4, 69, 75, 3, 0)
STATUS: Final[Mapping[int, str]] = {
    0: "completed",
    3: "completed",
    4: "expired",
    75: "in_progress",
    130: "cancelled",
    143: "cancelled",
}
SCHEMA: Final = 1
NO_ACCESS: Final = NoAccess.exit_code  # key, model or account is closed
NOT_ASKED: Final = 75  # lines are pending that this command does not ask, or that nobody asks now
WORTH_SECONDS: Final = 10.0  # a shorter run was not slow, whatever held it back
# Classes of lines whose fault is not in the line: it can be asked again as it is, as new work.
_NEW_WORK: Final = ("task_failed", "task_lost", "no_media")
# Classes that another setting may mend: the line stays as it is, and so only a retry asks it again.
_BY_SETTING: Final = ("missing_model", "unknown_endpoint", "line_too_long", "invalid_encoding")
# What is billed otherwise than by tokens, as people are told of it.
_OTHERS: Final = (
    ("images", "picture", "pictures"),
    ("seconds", "s of sound or film", "s of sound or film"),
    ("characters", "character spoken", "characters spoken"),
    ("searches", "search of the web", "searches of the web"),
)


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to."""

    exit_code: int
    summary: dict[str, Any]
    lines: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True):
    """Where the lines stand, as the ledger says, and where its files are."""

    run_id: str
    output: str
    folder: str
    shown: str  # the output as people would name it from where they are
    created_at: int  # Unix seconds
    total: int | None  # lines that ask something; None if the inputs were not read
    ok: int
    failed: int
    classes: Mapping[str, int]  # failed lines by class
    retryable: int  # failed lines that asking again may help
    tasks: int  # lines whose task or download is paid and goes on, whether pending or late
    usage: Mapping[str, Any]
    header: Mapping[str, Any]
    tags: Mapping[str, str] = {}

    @property
    def typed(self) -> str:
        """The output as it stands in a command."""
        return shlex.quote(self.shown)

    @property
    def labels(self) -> dict[str, Any]:
        """Return whose usage it is, as far as that was said."""
        mock = self.header.get("identity", {}).get("mock")
        said = {"job": self.header.get("job"), "tags": dict(self.tags), "mock": mock}
        return {name: value for name, value in said.items() if value}

    @property
    def pending(self) -> int | None:
        """Return the lines without a record."""
        return None if self.total is None else max(0, self.total - self.ok - self.failed)


class Session(msgspec.Struct, frozen=True):
    """One process's part in a run, and why it ended."""

    started_at: float  # seconds since the epoch
    seconds: float
    recorded: int  # lines that ended in this session
    retries: int
    reasons: Mapping[int, str]  # exit code → why, in plain words
    closed: Sequence[Closure] = ()  # why lines were not sent for which there is no way now
    advice: Sequence[Sequence[str]] = ()  # the same for people: a paragraph each
    notes: Sequence[str] = ()
    bottlenecks: Sequence[Bottleneck] = ()  # the greatest first
    budget: Mapping[str, Any] | None = None  # what was spent of it, if one was set
    chosen: str = ""  # the flag by which only some lines were to be asked
    unasked: int = 0  # lines that were therefore not to be asked, and have no record


def exit_code(reasons: Mapping[int, str]) -> int:
    """Return the code that goes before the others."""
    return min(reasons, key=PRECEDENCE.index, default=0)


def manifest(standing: Standing, session: Session | None) -> dict[str, Any]:
    """Return run.json: the OpenAI Batch object, and ours under ``x_run``."""
    code = exit_code(session.reasons) if session else None
    usage = standing.usage
    done = session is not None and not standing.pending
    ended = round(session.started_at + session.seconds) if session else None
    return {
        "object": "batch",
        "id": standing.run_id,
        "status": _status(standing, code, session),
        "endpoint": standing.header.get("identity", {}).get("endpoint"),
        "completion_window": None,
        "created_at": standing.created_at,
        "in_progress_at": round(session.started_at) if session else None,
        "completed_at": ended if done else None,
        "cancelled_at": ended if code in (130, 143) else None,
        "request_counts": {
            "total": standing.total,
            "completed": standing.ok,
            "failed": standing.failed,
        },
        "usage": {
            "input_tokens": usage.get("input_tokens"),
            "input_tokens_details": {"cached_tokens": usage.get("input_cached_tokens")},
            "output_tokens": usage.get("output_tokens"),
            "output_tokens_details": {"reasoning_tokens": usage.get("output_reasoning_tokens")},
            "total_tokens": _total(usage),
        },
        "metadata": dict(standing.tags) or None,
        "x_run": {
            "schema": SCHEMA,
            "exit_code": code,
            "reasons": {str(key): why for key, why in session.reasons.items()} if session else {},
            "blocked": [one.document() for one in session.closed] if session else [],
            "pending": standing.pending,
            "tasks": standing.tasks,
            "failed_by_class": dict(standing.classes),
            "usage": dict(usage),
            "retries": session.retries if session else None,
            "seconds": round(session.seconds, 3) if session else None,
            "recorded": session.recorded if session else None,
            "bottlenecks": [_told(one) for one in session.bottlenecks] if session else [],
            "notes": list(session.notes) if session else [],
            "budget": dict(session.budget) if session and session.budget else None,
            "output": standing.output,
            "folder": standing.folder,
            **{key: standing.header.get(key) for key in ("job", "version", "inputs", "identity")},
        },
    }


def closing_lines(standing: Standing, session: Session | None) -> tuple[str, ...]:
    """Return the last words: what is done, what was used, where it is, what comes next."""
    return (
        *_stopped(session),
        *_slowed(session),
        f"done     {_done(standing, session)}",
        f"used     {_used(standing.usage)}",
        *_cost(session),
        f"files    {standing.shown} · {folder_of(standing.shown)}/ (errors, usage, run.json)",
        f"next     {_next(standing, session)}",
    )


def _stopped(session: Session | None) -> list[str]:
    """Return why the session ended early; of what is closed there is more to say than a line."""
    if session is None:
        return []
    plain = [code for code in session.reasons if code not in (0, 3)]
    if session.advice:
        plain.remove(NO_ACCESS)
    told = [[session.reasons[code]] for code in plain]
    return [
        f"{'stopped' if line is paragraph[0] else '':7}  {line}"
        for paragraph in (*told, *session.advice)
        for line in paragraph
    ]


def _told(one: Bottleneck) -> dict[str, Any]:
    return {"kind": one.kind, "key": one.key, "share": round(one.share, 3)}


def _slowed(session: Session | None) -> Sequence[str]:
    if session is None or session.seconds < WORTH_SECONDS or not session.bottlenecks:
        return ()
    most = session.bottlenecks[0]
    return (f"slowed   by {most.sentence('the time')}",) if most.share >= WORTH_SHARE else ()


def _status(standing: Standing, code: int | None, session: Session | None) -> str:
    if code is None or (code in (0, 3) and session is not None and session.unasked):
        return "completed" if standing.pending == 0 else "in_progress"
    return STATUS.get(code, "failed")


def _total(usage: Mapping[str, Any]) -> int | None:
    told = [usage.get(name) for name in ("input_tokens", "output_tokens")]
    known = [count for count in told if count is not None]
    return sum(known) if known else None


def _done(standing: Standing, session: Session | None) -> str:
    parts = [f"{standing.ok:,} ok", f"{standing.failed:,} failed"]
    if standing.classes:
        parts[1] += f" ({', '.join(f'{n:,} {name}' for name, n in standing.classes.items())})"
    unasked = session.unasked if session else 0
    if standing.pending and standing.pending > unasked:
        parts.append(f"{standing.pending - unasked:,} pending")
    if session is not None and unasked:
        parts.append(f"{unasked:,} not to be asked ({session.chosen})")
    if standing.tasks:
        parts.append(f"{counted(standing.tasks, 'task')} under way")
    if session is not None and session.recorded:
        parts.append(counted(session.retries, "retry", "retries"))
        parts.append(span(session.seconds))
        if session.seconds >= 1:
            parts.append(f"{60 * session.recorded / session.seconds:,.0f} lines/min")
    return " · ".join(parts)


def _used(usage: Mapping[str, Any]) -> str:
    read, written = usage.get("input_tokens"), usage.get("output_tokens")
    parts = []
    if read is not None or written is not None:
        cached = usage.get("input_cached_tokens")
        share = f" ({100 * cached / read:.0f} % cached)" if cached and read else ""
        tokens = agreeing(read, "token")
        parts = [f"{_large(read)} {tokens} in{share}", f"{_large(written)} out"]
    for name, one, several in _OTHERS:
        if amount := usage.get(name):
            parts.append(f"{_large(amount)} {agreeing(amount, one, several)}")
    if not parts:
        return "nothing that was reported"
    if usage.get("wasted_tokens"):
        parts.append(f"{_large(usage['wasted_tokens'])} of them for answers that were no use")
    if usage.get("num_usage_unknown"):
        parts.append(f"{counted(usage['num_usage_unknown'], 'request')} did not report theirs")
    return " · ".join(parts)


def _cost(session: Session | None) -> Sequence[str]:
    """Return what was spent of a budget, and what attempts may have cost that nobody knows of."""
    told = session.budget if session is not None else None
    if not told:
        return ()
    words = f"cost     {_money(told['spent'], 4)} of at most {_money(told['max_cost'], 2)}"
    words += f" {told['currency']}"
    if told["maybe_spent"]:
        words += f" · {_money(told['maybe_spent'], 4)} more may have been billed without an answer"
    return (words,)


def _money(amount: float, digits: int) -> str:
    """Return an amount with so many decimals, or with six where those would tell nothing."""
    return f"{amount:,.{6 if 0 < amount < 0.01 else digits}f}"


def _large(count: float | None) -> str:
    return "unknown" if count is None else large(count)


def _next(standing: Standing, session: Session | None) -> str:
    if standing.pending and session is not None and NOT_ASKED in session.reasons:
        return f"the wbatch run that began {standing.shown} goes on with the pending lines"
    if session is not None and session.unasked and session.unasked == standing.pending:
        others = "other line" if session.unasked == 1 else f"other {session.unasked:,} lines"
        return (
            f"wbatch show {standing.typed}; without {session.chosen} the same command asks the "
            f"{others}"
        )
    if standing.pending:
        return f"{_first(session)}the same command again goes on from here"
    if standing.retryable:
        where = ", which asks the mock again" if standing.labels.get("mock") else ""
        return f"wbatch retry {standing.typed}{where}"
    if standing.failed:
        return "; ".join(_mending(standing))
    if session is None:
        return "nothing: every line is answered"
    return f"wbatch show {standing.typed}, or wbatch export {standing.typed} -o answers.csv"


def _first(session: Session | None) -> str:
    """Return what has to be done before a run can go on."""
    reasons = session.reasons if session is not None else {}
    if NO_ACCESS in reasons or CannotWrite.exit_code in reasons:
        return "with that mended, "
    return "with a higher --max-cost, " if "--max-cost" in reasons.get(CAPPED, "") else ""


def _mending(standing: Standing) -> list[str]:
    """Return what helps lines that it does not help to ask again just so, by what is wrong."""
    errors, retry = f"{folder_of(standing.shown)}/errors.jsonl", f"wbatch retry {standing.typed}"
    steps = []
    lines_own = standing.classes.keys() - {"outcome_unknown", "bad_file", "file_gone", *_NEW_WORK}
    if lines_own or not standing.classes:
        steps.append(f"mend the lines that {errors} names, and run again with --keep-answers")
    if mended := [name for name in standing.classes if name in _BY_SETTING]:
        steps.append(f"{retry} --only {','.join(mended)} asks those that a setting has mended")
    if "bad_file" in standing.classes:
        steps.append(f"put right the files that {errors} names, then {retry} --only bad_file")
    if "file_gone" in standing.classes:
        steps.append(f"{retry} --only file_gone looks for the files once more")
    if again := [name for name in standing.classes if name in _NEW_WORK]:
        steps.append(f"{retry} --only {','.join(again)} asks and pays for new work")
    if "outcome_unknown" in standing.classes:
        steps.append(f"look at the gateway's own log, then {retry} --ambiguous")
    return steps

"""The days of a nightly job, one after the other: each a run, built aside and published whole."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec
import orjson

from batch.cli.asking import Asking
from batch.cli.caller import Caller
from batch.cli.engine import conducted, engine_of, say
from batch.cli.layers import settings_of
from batch.cli.night import BEFORE, MENDED, PUBLISHED, Night, as_published, counts, document
from batch.errors import BadConfig, BadData, BadUsage, CannotWrite, NoInput, Refusal
from batch.files import OsFiles
from batch.nightly.days import days
from batch.nightly.partition import Partition, partition_of
from batch.nightly.shelf import (
    claimed,
    look,
    missing,
    point,
    publish,
    tidy,
    vanished,
    whereabouts,
)
from batch.nightly.state import DONE, PARTIAL, goes_on, publishes, task
from batch.session.summary import Outcome, exit_code
from batch.settings.moment import pinned
from batch.settings.tree import NightlySettings, Settings


class Day(msgspec.Struct, frozen=True):
    """A day that is to be made, and how."""

    partition: Partition
    settings: Settings
    nightly: NightlySettings
    place: str  # among those of the command, in words; "" if it is the only one
    yes: bool  # nobody is asked before it is sent


def make_nights(ctx: click.Context, caller: Caller, settings: Settings) -> int:
    """Make the days that a nightly job is for; return the exit code that goes before the others.

    Raises ``BadConfig`` or ``BadUsage``, before anything is made.
    """
    planned = _planned(ctx, caller, settings)
    nights: list[Night] = []
    for number, day in enumerate(planned, 1):
        nights.append(_night(caller, day))
        if not goes_on(nights[-1].code):
            why = f"what stopped {day.partition.day} would stop it too"
            nights += [Night(one.partition, "not begun", DONE, why) for one in planned[number:]]
            break
    codes = [night.code for night in nights]
    codes.append(_pointed(caller, planned[-1].nightly.latest, nights))
    for night in nights:
        say(caller, night.code, (night.line(),))
    code = exit_code(dict.fromkeys(codes, ""))
    if caller.json:
        told = orjson.dumps(document(code, nights), option=orjson.OPT_APPEND_NEWLINE)
        caller.emit(told, "the summary")
    return code


def standing(settings: Settings) -> Settings:
    """Return the settings of a run that has begun, with its output where it stands now."""
    if settings.nightly is None:
        return settings
    output = whereabouts(settings.run.date, settings.output)
    return msgspec.structs.replace(settings, output=output)


def _planned(ctx: click.Context, caller: Caller, settings: Settings) -> list[Day]:
    last = partition_of(settings.run.date, settings.output)
    nightly = settings.nightly or NightlySettings()
    budget = pinned(settings, caller.clock()).budget  # all days have ended by the same moment
    planned, wanted = [], days(last.day, nightly.catch_up)
    for number, day in enumerate(wanted, 1):
        of_day = settings if day == last.day else settings_of(ctx, caller, Settings, day)
        of_day = msgspec.structs.replace(of_day, budget=budget)
        partition = partition_of(day, of_day.output)
        place = f" ({number} of {len(wanted)})" if len(wanted) > 1 else ""
        planned.append(Day(partition, of_day, nightly, place, ctx.params["yes"]))
    _require_inputs_of_days(planned)
    _require_old_days(planned)
    return planned


def _require_inputs_of_days(planned: Sequence[Day]) -> None:
    """Refuse inputs that are the same each day: each would ask and pay for the same lines."""
    if len({day.settings.inputs for day in planned}) < len(planned):
        raise BadConfig(
            "catch_up makes several days, and the inputs are the same for each of them: their "
            'lines would be asked once a day. Write inputs = ["inbox/{date}.jsonl"]'
        )


def _require_old_days(planned: Sequence[Day]) -> None:
    """Refuse to begin a day anew that is published: its readers would see it go."""
    for day in planned:
        if day.settings.run.new_run and look(OsFiles(), day.partition) == "published":
            raise BadUsage(
                f"--new-run: {day.partition.day} is published, and stays so until "
                f"{day.partition.folder} is moved away. Then the same command makes the day anew"
            )


def _night(caller: Caller, day: Day) -> Night:
    """Make a day. What refuses it is said at once, and is the end of this day alone."""
    try:
        return _made(caller, day)
    except Refusal as refusal:
        caller.complain(f"{day.partition.day}: {refusal}", refusal.exit_code)
        return Night(
            day.partition, "refused", refusal.exit_code, f"exit code {refusal.exit_code}, as said"
        )


def _made(caller: Caller, day: Day) -> Night:
    files, partition = OsFiles(), day.partition
    inputs = day.settings.inputs
    gone = missing(inputs) or vanished(files, partition, inputs)
    todo = task(
        look(files, partition),
        missing=bool(gone),
        when_missing=day.nightly.when_missing,
        mend=day.settings.run.keep_answers,
    )
    if todo == "skip":
        return Night(partition, "skipped", DONE, f"no input: {gone[0]}")
    if todo == "fail":
        raise NoInput(f"{gone[0]} is not there. The same command makes the day once it is")
    if todo == "refuse":
        raise BadData(
            f"{partition.folder} is there, and is no day that wbatch made: it has no run in it. "
            "Nothing was sent. Move it away"
        )
    if todo == "nothing":
        return _done_before(caller, day)
    if todo == "mend":
        return _mended(caller, day)
    with claimed(files, partition):
        if look(files, partition) == "published":  # by another process, a moment ago
            return _done_before(caller, day)
        if todo == "finish":
            outcome = _left(caller, partition, gone[0])
        else:
            outcome = _ran(caller, day, partition.building)
        pending = outcome.summary["x_run"]["pending"]
        if not publishes(outcome.exit_code, pending, day.nightly.on_failed):
            say(caller, outcome.exit_code, outcome.lines)
            return _unpublished(partition, outcome)
        there = as_published(outcome, partition, publish(files, partition, outcome.summary))
    caller.outcomes = [there if one is outcome else one for one in caller.outcomes]
    outcome = there
    say(caller, outcome.exit_code, outcome.lines)
    told = f"{counts(outcome.summary)} · {partition.folder}/"
    return Night(partition, PUBLISHED, outcome.exit_code, told, outcome.summary)


def _done_before(caller: Caller, day: Day) -> Night:
    partition = day.partition
    tidy(OsFiles(), partition)
    outcome = engine_of(caller).status(partition.output)
    identity = outcome.summary["x_run"].get("identity") or {}
    if identity.get("mock") and not day.settings.run.mock:
        raise BadData(
            f"{partition.folder} is of a rehearsal (--mock), and holds no answers. Move it away, "
            "and the same command makes the day"
        )
    told = f"{counts(outcome.summary)} · nothing was sent"
    return Night(partition, BEFORE, outcome.exit_code, told, outcome.summary)


def _mended(caller: Caller, day: Day) -> Night:
    """Ask what changed in the input of a day that is published, in its place."""
    outcome = _ran(caller, day, day.partition.output)
    say(caller, outcome.exit_code, outcome.lines)
    done = counts(outcome.summary)
    return Night(day.partition, MENDED, outcome.exit_code, done, outcome.summary)


def _ran(caller: Caller, day: Day, output: str) -> Outcome:
    """Do the run of a day, aside or in its place."""
    if day.place and not caller.quiet:
        caller.tell(f"day      {day.partition.day}{day.place}")
    settings = msgspec.structs.replace(day.settings, output=output)
    approve = Asking(caller, yes=day.yes)
    return conducted(caller, lambda engine, watch: engine.run(settings, watch, approve=approve))


def _left(caller: Caller, partition: Partition, gone: str) -> Outcome:
    """Return what an earlier command made to its end. Raises ``NoInput`` if it did not."""
    outcome = engine_of(caller).status(partition.building)
    if outcome.exit_code not in (DONE, PARTIAL):
        raise NoInput(
            f"{gone} is no longer there, and the day is not finished. Bring it back, and the same "
            "command goes on"
        )
    caller.outcomes.append(outcome)  # of this command too, which is to publish it
    return outcome


def _unpublished(partition: Partition, outcome: Outcome) -> Night:
    code, done = outcome.exit_code, counts(outcome.summary)
    if code == PARTIAL and not outcome.summary["x_run"]["pending"]:
        told = f"{done} · not published, by on_failed; after wbatch retry the same command does"
        return Night(partition, "kept aside", code, told, outcome.summary)
    told = f"{done} · not published; the same command goes on"
    return Night(partition, "unfinished", code, told, outcome.summary)


def _pointed(caller: Caller, link: str | None, nights: Sequence[Night]) -> int:
    """Have the link to the latest day lead there; return an exit code."""
    there = [night.partition for night in nights if night.there]
    try:
        if link is not None and there:
            point(OsFiles(), link, there[-1])
    except CannotWrite as refusal:
        caller.complain(str(refusal), refusal.exit_code)
        return refusal.exit_code
    return DONE

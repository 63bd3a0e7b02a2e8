"""What state a day is in, what is to be done about it, and whether what was made is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

WhenMissing: TypeAlias = Literal["fail", "skip"]
OnFailed: TypeAlias = Literal["publish", "keep"]

# "foreign": something that this tool did not make is in the day's place.
State: TypeAlias = Literal["absent", "begun", "published", "foreign"]
# "finish": the inputs of a day that was begun are gone; it is published if it was made to its end.
# "mend": a run in the place of a published day, as a retry is.
Task: TypeAlias = Literal["nothing", "mend", "run", "finish", "skip", "fail", "refuse"]

DONE, PARTIAL = 0, 3  # every line is answered; every line has ended, some with an error
# With these a day says nothing about the others; with any other code each would end alike.
_OF_THE_DAY: Final = (DONE, PARTIAL, 65, 66)


def task(state: State, *, missing: bool, when_missing: WhenMissing, mend: bool = False) -> Task:
    """Return what is to be done about a day, some input of which may be missing.

    ``mend``: lines of its input were mended, and are to be asked also if it is published.
    """
    match state:
        case "published":
            return "mend" if mend and not missing else "nothing"
        case "foreign":
            return "refuse"
        case "begun":
            return "finish" if missing else "run"
        case "absent" if missing:
            return when_missing
        case _:
            return "run"


def publishes(code: int, pending: int | None, on_failed: OnFailed) -> bool:
    """Return whether a run that ended so is a whole day, to be published.

    ``pending`` are the lines without a record: a first look at some lines ends well, and is no day.
    """
    ended = code == DONE or (code == PARTIAL and on_failed == "publish")
    return ended and pending == 0


def goes_on(code: int) -> bool:
    """Return whether the days after one that ended so are worth a try."""
    return code in _OF_THE_DAY


def moved(summary: Mapping[str, Any], output: str, folder: str) -> dict[str, Any]:
    """Return a run's summary with the places where its files are once they are published."""
    return {**summary, "x_run": {**summary["x_run"], "output": output, "folder": folder}}

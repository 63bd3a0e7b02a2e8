"""What a failure of a command ends it with, and what is said of it."""

from __future__ import annotations

import os
import traceback
from typing import Final

from batch.cli.caller import Caller

CANNOT_WRITE: Final = 73
AGAIN: Final = "Run the same command again once the cause is mended"
BUG: Final = "this is a bug; the run can be resumed with the same command"


def complain_of(error: BaseException, caller: Caller) -> int:
    """Say of any failure what went wrong, and return its exit code."""
    # Not at the top: the words load msgspec, which --help can do without.
    from batch.errors import Refusal  # noqa: PLC0415
    from batch.secret import redactor_of_all  # noqa: PLC0415
    from batch.session.snapshot import visible  # noqa: PLC0415

    if isinstance(error, OSError) and error.strerror:
        caller.complain(f"{_told(error)}. {AGAIN}", CANNOT_WRITE)
        return CANNOT_WRITE
    if not isinstance(error, Refusal):
        # What it quotes may be a key, or an order to a terminal.
        said = redactor_of_all().clean_text("".join(traceback.format_exception(error)))
        caller.tell_raw("\n".join(map(visible, said.splitlines())))
        caller.complain(BUG, Refusal.exit_code)
        return Refusal.exit_code
    caller.complain(str(error), error.exit_code)
    cause = error.__cause__ if caller.verbose else None
    while cause is not None:
        caller.tell(f"because: {type(cause).__name__}: {cause}")
        cause = cause.__cause__
    return error.exit_code


def _told(error: OSError) -> str:
    """Return what the system says, and of what: it names no folder that is gone."""
    where = error.filename or "what was to be written"
    try:
        os.getcwd()
    except FileNotFoundError:
        where = "this folder, in which the command was called"
    return f"{where}: {error.strerror}"

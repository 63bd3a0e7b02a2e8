"""What other files of a run tell of its logs, should these have been deleted, cut or put back.

None of it is needed to go on; it is needed to say what was lost.
"""

from __future__ import annotations

import msgspec

from batch import checkpoint
from batch.errors import BadData
from batch.files import Files, read_whole
from batch.ledger.paths import Paths
from batch.ledger.scan import WAY_OUT, records
from batch.wording import counted


class _Counts(msgspec.Struct, frozen=True):
    completed: int = 0


class _Told(msgspec.Struct, frozen=True):
    """What is looked for: the first two are of status.json, the others of run.json."""

    run_id: str = ""
    ok: int = 0
    id: str = ""
    request_counts: _Counts = _Counts()


def answers_told(files: Files, paths: Paths, run_id: str | None) -> int:
    """Return how many answers a run had, as the files say that are derived from its logs.

    They say less than a checkpoint, and may still be there where that was deleted. Without an id
    any run's word counts.
    """
    most = 0
    for path in (paths.live, paths.manifest):
        try:
            told = msgspec.json.decode(read_whole(files, path) or b"{}", type=_Told)
        except (OSError, ValueError):
            continue
        if run_id in (None, told.run_id, told.id):
            most = max(most, told.ok, told.request_counts.completed)
    return most


def refuse_headless(files: Files, paths: Paths) -> None:
    """Refuse what is left of a run whose journal is gone: to begin anew would pay it all again."""
    for path in (paths.results, paths.errors):
        size = files.length(path)
        if not size:
            continue
        marks = sum(1 for _ in records(files, path, 0, size))
        if not marks:
            raise BadData(
                f"{path} exists but is no run of this tool: {paths.journal} has no header. Nothing "
                "was changed. For a new run choose another --output, or move that file away."
            )
        raise BadData(
            f"{path} has {counted(marks, 'record')} of a run, and {paths.journal}, which says what "
            f"was asked, is missing or has lost its beginning. {WAY_OUT}"
        )
    cached = checkpoint.load(files, paths.checkpoint)
    answers, begun = answers_told(files, paths, None), 0
    if cached is not None:
        answers, begun = max(answers, cached.history.answered.count), len(cached.history.open)
    if answers or begun:
        also = f", and work under way for {counted(begun, 'line')}" if begun else ""
        raise BadData(
            f"{paths.journal} and {paths.results} are missing or empty, and a run was begun there: "
            f"it had {counted(answers, 'answer')}{also}. {WAY_OUT}"
        )

"""Whether a run is asked as it was begun: by the settings that make its answers what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import orjson

from batch.errors import BadData
from batch.ledger.paths import Paths
from batch.ledger.recover import Found
from batch.ledger.state import History
from batch.wording import agreeing, counted

_TEXTS: Final = ("prompt", "system")  # of which the identity has a digest, which tells nobody much
Identity = Mapping[str, Any]


def settings_differ(
    paths: Paths, found: Found | None, identity: Identity | None, *, keep_answers: bool
) -> bool:
    """Return whether the settings are others than those before; raise BadData if none may be."""
    differs = _differences(paths, found, identity)
    if found is not None and has_records(found.history):
        _refuse_rehearsal(paths, found.history, identity)
    if differs and not keep_answers:
        raise _other_settings(paths, found, differs)
    if found is not None:
        _refuse_other_endpoint(paths, found.history, identity)
    return bool(differs)


def has_records(history: History) -> bool:
    """Return whether lines have ended, or have begun what is paid."""
    return bool(history.answered.count or history.failed.count or history.open)


def _differences(paths: Paths, found: Found | None, identity: Identity | None) -> list[str]:
    if found is None or identity is None:
        return []
    then = found.history.identity
    return [
        _difference(paths, name, then.get(name), identity.get(name))
        for name in sorted({*then, *identity})
        if then.get(name) != identity.get(name)
    ]


def _difference(paths: Paths, name: str, before: object, now: object) -> str:
    if name in _TEXTS:
        if not before:
            return f"{name} was not set and is now a text"
        kept = f"the text in {os.path.join(paths.prompts, str(before))}.txt"
        return f"{name} was {kept} and is now {'another one' if now else 'not set'}"
    return f"{name} was {_worded(before)} and is now {_worded(now)}"


def _refuse_rehearsal(paths: Paths, history: History, identity: Identity | None) -> None:
    """Refuse to have answers of the mock and of a gateway in one file, whatever is to be kept."""
    was = bool(history.identity.get("mock"))
    if identity is None or bool(identity.get("mock")) == was:
        return
    both = (
        "was a rehearsal (--mock), and this run is none"
        if was
        else "was no rehearsal, and this run is one (--mock)"
    )
    raise BadData(
        f"{paths.results} {both}. Nothing was changed. Name another --output, or --new-run to keep "
        "the old one aside and start over."
    )


def _refuse_other_endpoint(paths: Paths, history: History, identity: Identity | None) -> None:
    """Refuse to leave tasks behind: they are paid, and go on only in the format that began them."""
    tasks = sum(one.state is not None for one in history.open.values())
    was = history.identity.get("endpoint")
    if identity is None or not tasks or identity.get("endpoint") == was:
        return
    are = agreeing(tasks, "is", "are")
    raise BadData(
        f"{paths.results} has {counted(tasks, 'task')} under way that {are} paid and {are} known "
        f"only at the endpoint where they were asked: it was {_worded(was)} and is now "
        f"{_worded(identity.get('endpoint'))}. Nothing was changed. Give the earlier --endpoint "
        "until they have ended, those that are late by wbatch retry; or --new-run to keep the old "
        "output aside and start over."
    )


def _worded(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str) and value.startswith("{"):
        return value  # parameters are recorded as the JSON that they are
    return orjson.dumps(value).decode()


def _other_settings(paths: Paths, found: Found | None, differs: list[str]) -> BadData:
    answers = found.history.answered.count if found else 0
    return BadData(
        f"{paths.results} has {counted(answers, 'answer')} that {agreeing(answers, 'was', 'were')} "
        "asked with other settings: "
        f"{'; '.join(differs)}. Nothing was changed. Give the earlier settings, or --keep-answers "
        "to keep them and go on with the new settings, or --new-run to keep them aside and start "
        "over."
    )

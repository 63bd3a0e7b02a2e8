"""What keeps lines from being asked, for people: what is closed, why, what to do, how many wait.

One paragraph for each cause and key, however many models it concerns.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from batch.errors import (
    BadKey,
    NoMoney,
    ProxyRefuses,
    Redirected,
    UnknownModel,
    Untrusted,
    UpstreamAccount,
    WrongUrl,
)
from batch.settings.toml import quoted
from batch.suggest import literal
from batch.wording import agreeing, counted, shown

if TYPE_CHECKING:  # it loads the gate, which who only completes or looks can do without
    from batch.gate.breakers import Breaker

NAMED: Final = 4  # models or patterns that a paragraph names; of others it says how many there are
NO_KEY: Final = "no_key"  # the class of lines for whose model there is no key
# What concerns all keys alike, and is said once.
WAYS: Final = (Untrusted.code, ProxyRefuses.code)
AGAIN: Final = "run the same command again"


class Closure(msgspec.Struct, frozen=True):
    """One cause for which lines wait."""

    code: str  # class of the failure
    key: str
    place: str  # where the key came from
    models: Sequence[str]  # none: it concerns all models of the key
    patterns: Sequence[str]  # of those models and no others that the key has answered
    message: str
    lines: int
    mended: bool

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "class": self.code,
            "key": self.key or None,
            "models": list(self.models),
            "message": self.message,
            "lines": self.lines,
            "answers_again": self.mended,
        }


def closures(records: Iterable[Breaker]) -> list[Closure]:
    """Return what is closed, by cause and key, in the order in which it was found out."""
    groups: dict[tuple[str, str, bool], list[Breaker]] = {}
    for one in records:
        groups.setdefault((one.code, _key(one), one.mended), []).append(one)
    return [_closure(group) for group in groups.values()]


def _key(one: Breaker) -> str:
    return "" if one.code in WAYS else one.key


def _closure(group: Sequence[Breaker]) -> Closure:
    first = group[0]
    ours = [one.model for one in group if one.scope in ("model", "missing")]
    patterns = (_pattern(one.model, one.answered) for one in group) if ours else ()
    return Closure(
        code=first.code,
        key=_key(first),
        place=first.place,
        models=tuple(ours),
        patterns=tuple(one for one in dict.fromkeys(patterns) if one.isprintable()),
        message=first.message,
        lines=sum(one.lines for one in group),
        mended=first.mended,
    )


def _pattern(model: str, answered: Iterable[str]) -> str:
    """Return a pattern of a model's whole family, or of it alone if the key serves that family."""
    found = re.match(r"[^\W_]+[\W_]+", model)
    family = found[0] if found and found[0] != model else ""
    if not family or any(other.startswith(family) for other in answered):
        return literal(model)
    return f"{literal(family)}*"


def paragraphs(closed: Sequence[Closure], pending: int, base_url: str) -> list[list[str]]:
    """Return for each cause its lines of text: what and why first, then what to do.

    ``pending`` counts all lines without a record. If they are not all among those turned away,
    the others have not been read, and some of them may wait for the same.
    """
    all_known = sum(one.lines for one in closed) == pending
    return [_paragraph(one, pending, base_url, all_known=all_known) for one in closed]


def _paragraph(one: Closure, pending: int, base_url: str, *, all_known: bool) -> list[str]:
    least = "" if all_known else f"at least {one.lines:,} of "
    count = one.lines if all_known else pending
    waiting = f"{least}{counted(count, 'line')} {agreeing(count, 'waits', 'wait')} for it."
    if one.mended:
        what = f"{_who(one)} was not used for a while: {one.message}"
        return [what, f"It answers again. {waiting} To ask the rest: {AGAIN}."]
    what, todo, *more = _WORDS[one.code](one, base_url)
    return [what, f"{waiting} {todo}", *more]


def _who(one: Closure) -> str:
    models = f", {_models(one.models)}" if one.models else ""
    return f"key {one.key!r}{models}"


def _models(models: Sequence[str]) -> str:
    if len(models) == 1:
        return f"model '{shown(models[0])}'"
    names = ", ".join(map(shown, models[:NAMED]))
    more = f" and {len(models) - NAMED:,} more" if len(models) > NAMED else ""
    return f"{len(models):,} models ({names}{more})"


def _said(one: Closure) -> str:
    return f"{_who(one)}: {one.message.rstrip('. ')}"


def _no_key(one: Closure, _: str) -> list[str]:
    todo = "Name a key for it" if len(one.models) == 1 else "Name keys for them"
    return [f"no key is for {_models(one.models)}", *_naming(one, todo)]


def _unknown_model(one: Closure, _: str) -> list[str]:
    todo = "wbatch models lists what each key may call. If another key may, name it"
    return [_said(one), *_naming(one, todo)]


def _naming(one: Closure, todo: str) -> list[str]:
    """Return how to say which key is for some models: as flags, and as settings to copy."""
    patterns = one.patterns[:NAMED] or ("MODELS",)
    flags = " ".join(f"--key {shlex.quote(f'{pattern}=env:NAME')}" for pattern in patterns)
    settings = [
        line
        for pattern in patterns
        for line in ("[[keys]]", f"match = {quoted(pattern)}", 'env = "NAME"')
    ]
    return [
        f"{todo} with {flags}",
        "or in ~/.config/wbatch/config.toml, before other [[keys]] (NAME: the variable it is in):",
        *settings,
    ]


def _bad_key(one: Closure, _: str) -> list[str]:
    where = f"into {one.place}" if one.place else "in its place"
    return [_said(one), f"Put a valid key {where}, and {AGAIN}."]


def _wrong_url(one: Closure, base_url: str) -> list[str]:
    todo = f"Give the right address with --base-url or OPENAI_BASE_URL, and {AGAIN}."
    return [f"{base_url}: {one.message.rstrip('. ')}", todo]


def _redirected(one: Closure, base_url: str) -> list[str]:
    said, todo = _wrong_url(one, base_url)
    return [said, "If that is a login or a notice of maintenance, mend it or wait.", todo]


def _no_way(one: Closure, _: str) -> list[str]:
    return [one.message.rstrip(". "), f"When that is mended, {AGAIN}."]


def _no_money(one: Closure, _: str) -> list[str]:
    return [_said(one), f"Put money into the account, and {AGAIN}."]


def _upstream(one: Closure, _: str) -> list[str]:
    todo = f"Only who runs the gateway can mend it. Later, {AGAIN}."
    return [_said(one), todo]


_WORDS: Final = {
    NO_KEY: _no_key,
    UnknownModel.code: _unknown_model,
    BadKey.code: _bad_key,
    WrongUrl.code: _wrong_url,
    Redirected.code: _redirected,
    Untrusted.code: _no_way,
    ProxyRefuses.code: _no_way,
    NoMoney.code: _no_money,
    UpstreamAccount.code: _upstream,
}

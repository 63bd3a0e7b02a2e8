"""``wbatch models``: what each key may call, and the ``[[keys]]`` that would fit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import msgspec
import orjson

from batch.catalogue import Catalogue, KeyReport
from batch.cli.caller import Caller
from batch.cli.engine import engine_of, in_loop
from batch.cli.layers import settings_of
from batch.cli.options import REACHED, way_options
from batch.cli.shape import make_command, option
from batch.errors import BadUsage
from batch.session.snapshot import visible
from batch.settings.config import user_file
from batch.settings.toml import quoted
from batch.settings.tree import KeySetting, UserSettings, looks_like_a_key
from batch.wording import counted

CODES: Final = """
0    every key has its list
69   the gateway gave no answer
77   the gateway refuses a key
78   a setting is wrong or missing
"""
EXAMPLES: Final = """
wbatch models
wbatch models --suggest-keys OPENAI_API_KEY,CLAUDE_KEY,file:~/.keys/gemini
"""


@make_command(endings=(("Exit codes", CODES), ("Examples", EXAMPLES)))
@option(
    REACHED,
    "--suggest-keys",
    metavar="NAME,...",
    help="Ask with the keys in these variables (or file:PATH), and write the [[keys]] that send "
    "each model to one that may call it.",
)
@way_options
@click.pass_context
def command(ctx: click.Context, /, suggest_keys: str | None, **_flags: Any) -> int:
    """Say which models each key may call, and by which of our formats each can be asked.

    An arrow stands where a run would ask the model with another key: the first pattern that
    matches counts. Formats are as the gateway says, which has no word for speech, transcriptions
    and Midjourney. One question a key; it costs nothing.
    """
    caller = ctx.ensure_object(Caller)
    settings = settings_of(ctx, caller, UserSettings)
    places = _places(suggest_keys)
    catalogue = in_loop(engine_of(caller).models(settings, places))
    if catalogue.proxy and not caller.quiet:
        caller.tell(f"through the proxy {catalogue.proxy}")
    for complaint in catalogue.complaints():
        caller.complain(complaint)
    if places:
        catalogue = catalogue.rearranged()
        text = configuration(catalogue, places)
        _advise(catalogue, caller, ctx.params["config"] or user_file(caller.environ))
    else:
        text = "".join(f"{line}\n" for line in _table(catalogue))
    caller.emit(_document(catalogue, places) if caller.json else text.encode(), "the list")
    return catalogue.exit_code


def _places(said: str | None) -> list[KeySetting]:
    """Return where the keys are that somebody lists. What is wrong may be a key: never repeated."""
    if said is None:
        return []
    names = dict.fromkeys(name.strip() for name in said.split(",") if name.strip())
    try:
        places = [_place(name) for name in names]
    except ValueError as wrong:
        raise BadUsage(f"--suggest-keys: {wrong}") from None
    if not places:
        raise BadUsage("--suggest-keys names no variable. Write --suggest-keys OPENAI_API_KEY,B")
    return places


def _place(name: str) -> KeySetting:
    kind, colon, path = name.partition(":")
    if kind != "file" or not colon:
        return KeySetting(match="*", env=name.removeprefix("env:"))
    place = KeySetting(match="*", file=path)
    if path.startswith("~"):
        return place
    # As it is to be read from the folder of the settings, whichever that is.
    return msgspec.structs.replace(place, file=os.path.abspath(path))


def _table(catalogue: Catalogue) -> Iterator[str]:
    width = max(
        (len(one.model) for report in catalogue.reports for one in report.models), default=0
    )
    for report in catalogue.reports:
        count = "no list" if report.failure else counted(len(report.models), "model")
        patterns = ", ".join(catalogue.patterns(report.key))
        yield visible(f"{report.key}, for {patterns}: {count}")
        for one in sorted(report.models, key=lambda listed: listed.model):
            formats = (
                "not said" if one.formats is None else ", ".join(one.formats) or "none of ours"
            )
            line = f"  {one.model:<{width}}  {formats:<24}  {_mark(catalogue, report, one.model)}"
            yield visible(line.rstrip())


def _mark(catalogue: Catalogue, report: KeyReport, model: str) -> str:
    """Return to which other key a model goes, if to another."""
    key = catalogue.key_for(model)
    if key == report.key:
        return ""
    if key is None:
        return "→ no key"
    return f"→ {key}" + (", which may not call it" if catalogue.may(key, model) is False else "")


def _suggested(catalogue: Catalogue, places: Sequence[KeySetting]) -> list[dict[str, str]]:
    """Return the settings of keys that would fit, in their order."""
    by_name = {place.label: place for place in places}
    return [{"match": _harmless(match), **_where(by_name[key])} for match, key in catalogue.order]


def _where(place: KeySetting) -> dict[str, str]:
    return {"file": place.file} if place.file else {"env": place.env or ""}


def _harmless(match: str) -> str:
    """Return the same pattern, spelled so that nobody takes a model's name for a key."""
    return f"[{match[0]}]{match[1:]}" if looks_like_a_key(match) else match


def configuration(catalogue: Catalogue, places: Sequence[KeySetting]) -> str:
    """Return the patterns of a catalogue as settings; ``places`` are where its keys are."""
    tables = (
        "".join(f"{name} = {quoted(value)}\n" for name, value in one.items())
        for one in _suggested(catalogue, places)
    )
    return "\n".join(f"[[keys]]\n{table}" for table in tables)


def _advise(catalogue: Catalogue, caller: Caller, path: str) -> None:
    if caller.quiet:
        return
    used = {key for _, key in catalogue.order}
    for report in catalogue.reports:
        if report.key not in used and not report.failure:
            why = "others may call all that it may" if report.models else "it may call no model"
            caller.tell(f"key {report.key} is not needed: {why}")
    if used:
        caller.tell(f"put these lines into {path}, in the place of the [[keys]] there:")


def _document(catalogue: Catalogue, places: Sequence[KeySetting]) -> bytes:
    document = catalogue.document()
    if places:
        document["suggested"] = _suggested(catalogue, places)
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

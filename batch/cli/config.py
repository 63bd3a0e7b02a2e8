"""``wbatch config``: where each setting comes from, and the schema by which editors know them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import msgspec
import orjson
from msgspec.structs import FieldInfo, fields

from batch.allowed import is_section, without_none
from batch.cli.caller import Caller
from batch.cli.layers import Gathered, built, gather
from batch.cli.options import way_options
from batch.cli.pasted import taking_all_of_run
from batch.cli.schema import job_schema
from batch.cli.shape import argument, make_command
from batch.cli.spoken import leaves
from batch.cli.strays import strays
from batch.errors import BadUsage
from batch.secret import MASK
from batch.session.snapshot import visible
from batch.settings.checker import Origin, Path
from batch.settings.keyring import GATEWAY, KEY_NAME, base_url_name, resolve_base_url
from batch.settings.proxies import resolve_proxies
from batch.settings.toml import quoted
from batch.settings.tree import KeySetting, Settings, looks_like_a_key
from batch.transport.address import host_of

WHAT: Final = ("show", "schema")
DEFAULT: Final = "default"
EXAMPLES: Final = """
wbatch config show                     # what holds for all runs
wbatch config show label.toml          # and for one job
wbatch config show label.toml -c 8 --json
wbatch config schema > job.schema.json # a job begins: #:schema ./job.schema.json
"""
_MARGIN: Final = 46  # characters before the place that a value came from
# Of an address with a user and a password in it, these two.
_USER: Final = re.compile(r"(?<=://)[^/@\s]+@")
# Of these addresses all after the host is a secret.
_ADDRESSES: Final = (("notify", "health_url"), ("notify", "webhook_url"))
_AFTER_HOST: Final = re.compile(r"://(?:[^/?#@]*@)?([^/?#@]*).*")
# What is shown as it came to be, and not as it was written: it names files, or is recorded anyway.
_OPEN: Final = ("inputs", "output", "request", "label")


class Shown(msgspec.Struct, frozen=True):
    """One setting: its place in the tree, its value, and where that came from."""

    path: Path
    value: Any
    origin: str  # file and line, variable, flag, or default

    @property
    def name(self) -> str:
        """Return the name as TOML writes it."""
        return ".".join(map(_spelled_name, self.path))


class KeyPlace(msgspec.Struct, frozen=True):
    """A variable that a key is to be in."""

    name: str
    there: bool
    origin: str


@taking_all_of_run
@make_command(
    usage="[OPTIONS]",
    endings=(
        ("Which one wins", "flag > variable > .env > job > your own config.toml > default"),
        ("Examples", EXAMPLES),
    ),
)
@argument("what", type=click.Choice(WHAT), metavar="show|schema")
@argument("job", required=False, metavar="[JOB.toml]")
@way_options
@click.pass_context
def command(ctx: click.Context, /, what: str, job: str | None, **_flags: Any) -> None:
    """Say of each setting what it is and where it comes from, or write the schema of a job.

    What is shown is TOML. It takes every option of run, and sends nothing. Of a key only the place
    is shown.
    """
    caller = ctx.ensure_object(Caller)
    if what == "schema":
        caller.emit(
            orjson.dumps(job_schema(command.params), option=orjson.OPT_INDENT_2) + b"\n",
            "the schema",
        )
        return
    if job is not None and not job.endswith(".toml"):
        raise BadUsage(f"{job}: a job is a file that ends with .toml")
    found = gather(ctx, caller)
    built({"output": "", **found.layer.tree}, Settings, found.layer)
    shown = list(settings_shown(found, caller.environ))
    places = list(key_places(found, caller.environ))
    if caller.json:
        caller.emit(
            orjson.dumps(_document(shown, places), option=orjson.OPT_APPEND_NEWLINE), "the settings"
        )
        return
    caller.emit(
        "".join(f"{visible(line)}\n" for line in _toml(shown, places)).encode(), "the settings"
    )
    for name, where, meant in strays(found.env, caller.environ):
        hint = f" Did you mean {meant}?" if meant else ""
        caller.tell(f"{name} of {where} sets nothing.{hint}")


def settings_shown(found: Gathered, environ: Mapping[str, str]) -> Iterator[Shown]:
    """Yield every setting in the order of the tree, without a secret."""
    for path, value in _leaves(Settings, found.layer.tree, ()):
        origin = found.layer.origins.get(path, Origin(DEFAULT))
        if path == ("gateway", "base_url") and value is None:
            yield _address(found, environ)
        elif path == ("gateway", "proxy"):
            yield _proxy(found, environ, value)
        elif origin.names:
            places = (f"{name} of {found.env.where(name, environ)}" for name in origin.names)
            said = value if path[0] in _OPEN else origin.written
            yield Shown(path, _harmless(said, path), f"{origin.where}, {', '.join(places)}")
        else:
            yield Shown(path, _harmless(value, path), origin.where)


def _address(found: Gathered, environ: Mapping[str, str]) -> Shown:
    """Return the address of the gateway as others' variables say it, or the built-in one."""
    around = found.env.under(environ)
    path = ("gateway", "base_url")
    name = base_url_name(around)
    if name is None:
        return Shown(path, GATEWAY, DEFAULT)
    return Shown(path, _harmless(around[name]), f"{name} of {found.env.where(name, environ)}")


def _proxy(found: Gathered, environ: Mapping[str, str], said: str | None) -> Shown:
    """Return the proxy that leads to the gateway, and who says so; of a login nothing."""
    around = found.env.under(environ)
    path = ("gateway", "proxy")
    gateway = built({"output": "", **found.layer.tree}, Settings, found.layer).gateway
    url = resolve_base_url(gateway, around)
    proxies = resolve_proxies(gateway, around)
    proxy = proxies.to(url)
    origin = found.layer.origins.get(path, Origin(DEFAULT))
    where = ", ".join((origin.where, *origin.names))
    if proxy is None:
        passed = proxies.https if url.startswith("https:") else proxies.http
        if passed is None:
            return Shown(path, said, where)
        why = f"{passed.origin} is not for {host_of(url)}, which is this machine or in NO_PROXY"
        return Shown(path, said and passed.address, why)
    if said is None:
        where = f"{proxy.origin} of {found.env.where(proxy.origin, environ)}"
    return Shown(path, proxy.address, f"{where}: it {proxy.fault}" if proxy.fault else where)


def _leaves(shape: type[msgspec.Struct], tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every setting of a section; of a list of sections those that are said."""
    for one in fields(shape):
        here = (*path, one.name)
        value = tree.get(one.name) if isinstance(tree, Mapping) else None
        kind = without_none(one.type)
        if is_section(kind) and (one.name in tree or kind is one.type):
            yield from _leaves(kind, value or {}, here)
        elif one.name in tree:
            yield from leaves(value, here)
        elif one.name != "keys":
            yield here, _default(one)


def _default(one: FieldInfo) -> Any:
    if one.default_factory is not msgspec.NODEFAULT:
        return one.default_factory()
    return None if one.required else msgspec.to_builtins(one.default)


def key_places(found: Gathered, environ: Mapping[str, str]) -> Iterator[KeyPlace]:
    """Yield of each key that a run would find in a variable whether it is there, and where."""
    around = found.env.under(environ)
    places = [msgspec.convert(one, KeySetting) for one in found.layer.tree.get("keys", ())]
    names = [place.env for place in places if place.env]
    if not places or (around.get(KEY_NAME) and all(place.match != "*" for place in places)):
        names.append(KEY_NAME)
    for name in dict.fromkeys(names):
        there = bool(around.get(name))
        where = found.env.where(name, environ) if there else "neither the environment nor .env"
        yield KeyPlace(name, there, where)


def _harmless(value: Any, path: Path = ()) -> Any:
    if isinstance(value, str) and path in _ADDRESSES:
        return _AFTER_HOST.sub(rf"://\1/{MASK}", value)
    if isinstance(value, str):
        return MASK if looks_like_a_key(value) else _USER.sub(f"{MASK}@", value)
    if isinstance(value, list | tuple):
        return [_harmless(one) for one in value]
    return value


def _document(shown: list[Shown], places: list[KeyPlace]) -> dict[str, Any]:
    return {
        "settings": [{"name": one.name, "value": one.value, "from": one.origin} for one in shown],
        "keys": [{"env": one.name, "set": one.there, "from": one.origin} for one in places],
    }


def _toml(shown: list[Shown], places: list[KeyPlace]) -> Iterator[str]:
    """Yield the lines of a file that would say the same, and beside each where it is said."""
    sections: dict[Path, list[Shown]] = {(): []}
    for one in shown:
        sections.setdefault(one.path[:-1], []).append(one)
    for section, inside in sections.items():
        if section:
            yield ""
            yield _header(section)
        for one in inside:
            name = _spelled_name(one.path[-1])
            text = f"# {name}: not set" if one.value is None else f"{name} = {_spelled(one.value)}"
            yield f"{text:<{_MARGIN}}  # {one.origin}"
    yield ""
    for place in places:
        text = f"# key {place.name}: {'set' if place.there else 'not set'}"
        yield f"{text:<{_MARGIN}}  # {place.origin}"


def _header(section: Path) -> str:
    if section[-1].isdigit():
        return f"[[{'.'.join(map(_spelled_name, section[:-1]))}]]"
    return f"[{'.'.join(map(_spelled_name, section))}]"


def _spelled(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case list() | tuple():
            return f"[{', '.join(map(_spelled, value))}]"
        case Mapping():
            return "{}"
        case _:
            return str(value)


def _spelled_name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)

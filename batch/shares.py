"""Each room's share of the settings, and the way to the gateway that they describe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from batch import __version__
from batch.errors import BadConfig, BadUsage
from batch.gate.settings import GateSettings, KeyLimits
from batch.inputs.chosen import Choice
from batch.inputs.settings import InputSettings, Reading
from batch.labeling.kinds import Fitting, Kind, Labels, read_schema
from batch.labeling.script import Labeling
from batch.mock.dials import Dials
from batch.mock.faults import parse_faults
from batch.retry import RetryPolicy
from batch.script import AskOnce, Pack, Script
from batch.secret import Redactor, Secret
from batch.settings.envfile import read_env_file
from batch.settings.keyring import base_url_name, resolve_base_url, resolve_keys, surrounding
from batch.settings.proxies import resolve_proxies, to_gateway
from batch.settings.tree import Pace, RunSettings, Settings, UserSettings
from batch.transport import TransportSettings
from batch.transport.address import normalise_base_url
from batch.transport.proxy import Proxies
from batch.wire import formats

AUTHORITIES: Final = "SSL_CERT_FILE"  # the variable that OpenSSL reads
RECORDS: Final = 4  # of the bytes in flight one part in so many is for what waits for its commit

_READING: Final = Reading()


class Access(msgspec.Struct, frozen=True):
    """The way to the gateway."""

    base_url: str
    keys: tuple[tuple[str, Secret], ...]  # pattern of models, key
    proxies: Proxies = Proxies()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return all that must be seen nowhere: keys, and logins of proxies."""
        return (*(secret for _, secret in self.keys), *self.proxies.secrets)

    @property
    def detour(self) -> str | None:
        """Return by which proxy the gateway is asked, and who says so; None: by none."""
        proxy = self.proxies.to(self.base_url)
        return None if proxy is None else str(proxy)


def access(settings: Settings, environ: Mapping[str, str]) -> Access | None:
    """Return address and keys, or None for a rehearsal. Raises Refusal, naming what is missing."""
    if settings.run.mock:
        dials(settings.run)
        return None
    keys = resolve_keys(settings.keys, surrounding(settings.gateway, environ))
    return reach(settings, environ, keys)


def reach(
    settings: UserSettings, environ: Mapping[str, str], keys: Sequence[tuple[str, Secret]]
) -> Access:
    """Return the way to the gateway with these keys. Raises BadConfig for a wrong setting of it."""
    base_url = address(settings, environ)
    _refuse_key_in(base_url, keys)
    _require_authorities(settings, environ)  # what is wrong is told before anything is written
    proxies = resolve_proxies(settings.gateway, surrounding(settings.gateway, environ))
    to_gateway(proxies, base_url)
    return Access(base_url, tuple(keys), proxies)


def _refuse_key_in(base_url: str, keys: Sequence[tuple[str, Secret]]) -> None:
    for _, secret in keys:
        if Redactor([secret]).clean_text(base_url) != base_url:
            raise BadConfig(
                f"the base URL holds the key {secret.name}, and addresses stand in messages and "
                "files: leave it out. A key is sent as a header"
            )


def _require_authorities(settings: UserSettings, environ: Mapping[str, str]) -> None:
    bundle, named = settings.gateway.ca_bundle, environ.get(AUTHORITIES)
    if named and not bundle and not os.path.isfile(named):
        # OpenSSL would go on without it, and without a word.
        raise BadConfig(f"{AUTHORITIES} names {named}, which is no file. Mend or unset it")
    # Not at the top: it loads a network library, which looking and completing can do without.
    from batch.transport.trust import tls_context  # noqa: PLC0415

    tls_context(bundle)


def address(settings: UserSettings, environ: Mapping[str, str]) -> str:
    """Return the gateway's base URL. Raises BadConfig for what is none."""
    gateway = settings.gateway
    around = surrounding(gateway, environ)
    try:
        return normalise_base_url(resolve_base_url(gateway, around), gateway.allow_http)
    except BadConfig as wrong:
        name = None if gateway.base_url else base_url_name(around)
        if name is None:
            raise
        where = read_env_file(gateway.env_file).where(name, environ)
        raise BadConfig(f"{name} of {where}: {wrong}") from None


def dials(wanted: RunSettings) -> Dials:
    """Return the dials of a rehearsal. Raises BadUsage for faults that cannot be made."""
    turned: dict[str, Any] = dict(parse_faults(wanted.mock_fail)) if wanted.mock_fail else {}
    if wanted.mock_latency is not None:
        turned["latency_ms"] = wanted.mock_latency
    if wanted.mock_seed is not None:
        turned["seed"] = wanted.mock_seed
    return Dials(**turned)


def gate_settings(settings: Settings) -> GateSettings:
    """Return the limits of the account and of its keys.

    Every key is named, also one without limits: of two for one pattern the first counts, and must
    not be given the limits of the other.
    """
    keys = tuple(KeyLimits(match=key.match, **_pace(key)) for key in settings.keys)
    return GateSettings(keys=keys, **_pace(settings.limits))


def _pace(limits: Pace) -> dict[str, int | None]:
    return {name: getattr(limits, name) for name in Pace.__struct_fields__}


def likely_keys(
    patterns: Sequence[str], models: AbstractSet[str] | None, settings: Settings
) -> frozenset[str]:
    """Return the patterns whose keys are likely to get lines, by the models that lines name.

    All of them if nobody knows: ``models`` is None, or lines name none and the settings neither.
    """
    asked = settings.request
    if asked.override_model:
        models = {asked.override_model}
    if models is None or ("" in models and not asked.model):
        return frozenset(patterns)
    named = (model or asked.model or "" for model in models)
    firsts = (next((one for one in patterns if fnmatchcase(model, one)), "") for model in named)
    return frozenset(filter(None, firsts))


def inflight_bytes(settings: Settings) -> tuple[int, int]:
    """Return how many bytes calls may hold, and of how many the records may wait for their commit.

    An answer is the one and then the other: the two together are what may be in flight.
    """
    every = settings.limits.inflight_bytes
    records = every // RECORDS
    return every - records, records


def choice(run: RunSettings) -> Choice:
    """Return which lines are to be asked."""
    return Choice(run.head, run.sample, run.seed or 0)


def input_settings(settings: Settings, reading: Reading = _READING) -> InputSettings:
    """Return how lines are read, and what is filled in."""
    request = settings.request
    return InputSettings(
        endpoint=request.endpoint,
        model=request.model,
        override_model=request.override_model,
        add_usage=request.add_usage,
        makes=tuple(settings.media.makes.items()),
        max_line_bytes=settings.limits.max_line_bytes,
        reading=reading,
    )


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how patient a line is."""
    return RetryPolicy(
        attempts=settings.limits.max_attempts,
        task_timeout=settings.gateway.task_timeout,
    )


def script(settings: Settings) -> Script:
    """Return how lines are asked."""
    width = settings.request.pack
    label = settings.label
    if label.wanted:
        if width > 1:
            raise BadUsage("--pack asks lines together, and labels are asked for one by one")
        kind: Kind
        if label.schema:
            kind = Fitting(read_schema(label.schema), label.field)
        else:
            kind = Labels(label.labels, label.field)
        return Labeling(kind, label.votes, label.retries, label.tie)
    if width == 1:
        return AskOnce()
    return Pack(width, lambda name, bodies: formats()[name].pack(bodies))


def transport_settings(settings: UserSettings, way: Access) -> TransportSettings:
    """Return where the gateway is and how long it may take."""
    gateway = settings.gateway
    return TransportSettings(
        base_url=way.base_url,
        connect_seconds=gateway.connect_timeout,
        total_seconds=gateway.timeout,
        media_seconds=gateway.media_timeout,
        idle_seconds=gateway.idle_timeout,
        allow_http=gateway.allow_http,
        ca_bundle=gateway.ca_bundle,
        proxies=way.proxies,
        allow_files=settings.media.allow_files,
        user_agent=f"wenwen-batch/{__version__}",
    )

"""Each room's share of the settings, and the way to the gateway that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from batch import __version__
from batch.gate.settings import GateSettings
from batch.inputs.settings import InputSettings
from batch.mock.dials import Dials
from batch.mock.faults import parse_faults
from batch.retry import RetryPolicy
from batch.script import AskOnce, Pack, Script
from batch.secret import Secret
from batch.settings import RunSettings, Settings, resolve_base_url, resolve_keys
from batch.transport import TransportSettings
from batch.transport.address import normalise_base_url
from batch.transport.sessions import tls_context
from batch.wire import formats


class Access(msgspec.Struct, frozen=True):
    """The way to the gateway."""

    base_url: str
    keys: tuple[tuple[str, Secret], ...]  # pattern of models, key


def access(settings: Settings, environ: Mapping[str, str]) -> Access | None:
    """Return address and keys, or None for a rehearsal. Raises Refusal, naming what is missing."""
    if settings.run.mock:
        dials(settings.run)
        return None
    keys = tuple(resolve_keys(settings, environ))
    tls_context(settings.gateway.ca_bundle)  # a wrong one is told before anything is written
    url = resolve_base_url(settings, environ)
    return Access(normalise_base_url(url, settings.gateway.allow_http), keys)


def dials(wanted: RunSettings) -> Dials:
    """Return the dials of a rehearsal. Raises BadUsage for faults that cannot be made."""
    turned: dict[str, Any] = dict(parse_faults(wanted.mock_fail)) if wanted.mock_fail else {}
    if wanted.mock_latency is not None:
        turned["latency_ms"] = wanted.mock_latency
    if wanted.mock_seed is not None:
        turned["seed"] = wanted.mock_seed
    return Dials(**turned)


def gate_settings(settings: Settings) -> GateSettings:
    """Return the limits."""
    limits = settings.limits
    return GateSettings(concurrency=limits.concurrency, rpm=limits.rpm, tpm=limits.tpm)


def input_settings(settings: Settings) -> InputSettings:
    """Return what is read and what is filled in."""
    request = settings.request
    return InputSettings(
        paths=settings.inputs,
        endpoint=request.endpoint,
        model=request.model,
        override_model=request.override_model,
        add_usage=request.add_usage,
        makes=tuple(request.makes.items()),
        max_line_bytes=settings.limits.max_line_bytes,
    )


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how patient a line is."""
    return RetryPolicy(
        attempts=settings.limits.max_attempts,
        task_timeout=settings.gateway.timeouts.task_seconds,
    )


def script(settings: Settings) -> Script:
    """Return how lines are asked."""
    width = settings.request.pack
    if width == 1:
        return AskOnce()
    return Pack(width, lambda name, bodies: formats()[name].pack(bodies))


def transport_settings(settings: Settings, way: Access) -> TransportSettings:
    """Return where the gateway is and how long it may take."""
    gateway = settings.gateway
    times = gateway.timeouts
    return TransportSettings(
        base_url=way.base_url,
        connect_seconds=times.connect_seconds,
        total_seconds=times.total_seconds,
        media_seconds=times.media_seconds,
        idle_seconds=times.idle_seconds,
        allow_http=gateway.allow_http,
        ca_bundle=gateway.ca_bundle,
        allow_files=settings.request.allow_files,
        user_agent=f"wenwen-batch/{__version__}",
    )

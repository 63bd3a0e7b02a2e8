"""What each key may call, as the gateway lists it, and to which key the settings send a model."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from batch.errors import (
    BadKey,
    CallFailed,
    NoAccess,
    NoMoney,
    NoWay,
    Refused,
    Unavailable,
    UnknownModel,
    UpstreamAccount,
    WrongUrl,
)
from batch.suggest import suggest
from batch.wire.models import Listed

# What another key, another address or money would mend; asking again would not.
HOPELESS: Final = (BadKey, NoMoney, NoWay, Refused, UnknownModel, UpstreamAccount, WrongUrl)


class KeyReport(msgspec.Struct, frozen=True):
    """What the gateway said to one key."""

    key: str
    place: str  # where the key came from, for people
    models: tuple[Listed, ...] = ()
    failure: CallFailed | None = None

    @property
    def names(self) -> frozenset[str]:
        """Return the models that it may call."""
        return frozenset(one.model for one in self.models)


class Catalogue(msgspec.Struct, frozen=True):
    """What the gateway said to each key."""

    base_url: str
    order: tuple[tuple[str, str], ...]  # pattern of models, key: as they are tried
    reports: tuple[KeyReport, ...]
    proxy: str | None = None  # by which it was asked

    @property
    def exit_code(self) -> int:
        """Return what the command ends with: a key that is refused outranks trouble."""
        failures = [one.failure for one in self.reports if one.failure is not None]
        if any(isinstance(failure, HOPELESS) for failure in failures):
            return NoAccess.exit_code
        return Unavailable.exit_code if failures else 0

    def complaints(self) -> list[str]:
        """Return what went wrong, as sentences; what happened to several keys is said once."""
        failed: dict[str, list[str]] = {}
        for one in self.reports:
            if one.failure is not None:
                failed.setdefault(_sentence(one, one.failure), []).append(one.key)
        return [
            f"{'key' if len(keys) == 1 else 'keys'} {', '.join(keys)}: {sentence}"
            for sentence, keys in failed.items()
        ]

    def patterns(self, key: str) -> list[str]:
        """Return the models that a key is for."""
        return [pattern for pattern, name in self.order if name == key]

    def key_for(self, model: str) -> str | None:
        """Return the key that a run would use, or None if none is for the model."""
        return next((key for pattern, key in self.order if fnmatchcase(model, pattern)), None)

    def may(self, key: str, model: str) -> bool | None:
        """Return whether a key may call a model; None if the gateway did not say."""
        report = next((one for one in self.reports if one.key == key), None)
        return None if report is None or report.failure else model in report.names

    def rearranged(self) -> Catalogue:
        """Return the same with the patterns that fit, as few as can be, in the place of its own."""
        fitting = suggest({one.key: one.names for one in self.reports})
        return msgspec.structs.replace(self, order=tuple((one.match, one.key) for one in fitting))

    def document(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "object": "models",
            "base_url": self.base_url,
            "proxy": self.proxy,
            "exit_code": self.exit_code,
            "keys": [self._entry(one) for one in self.reports],
        }

    def _entry(self, report: KeyReport) -> Mapping[str, Any]:
        failure = report.failure
        return {
            "key": report.key,
            "match": self.patterns(report.key),
            "error": failure and {"class": failure.code, "message": failure.message},
            "models": [
                {"model": one.model, "formats": one.formats, "key": self.key_for(one.model)}
                for one in report.models
            ],
        }


def _sentence(report: KeyReport, failure: CallFailed) -> str:
    message = failure.message.rstrip(". ")
    return (
        f"{message}. Put a valid one into {report.place}"
        if isinstance(failure, BadKey)
        else message
    )

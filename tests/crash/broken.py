"""What is raised when a promise was not kept."""

from __future__ import annotations


class Broken(AssertionError):
    """A promise was not kept."""


def demand(kept: bool, otherwise: str) -> None:
    """Raise ``Broken`` unless a promise was kept."""
    if not kept:
        raise Broken(otherwise)

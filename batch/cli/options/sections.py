"""The headings of the help, and the adding of options under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from batch.cli.shape import F

ASKED: Final = "What is asked"
MADE: Final = "Prompts from data"
LABELED: Final = "Labels"
REACHED: Final = "Gateway"
FILED: Final = "Files in and out"
LIMITED: Final = "Limits"
CAPPED: Final = "What it may cost"
PRICED: Final = "Prices"
TOLD: Final = "Who is told"
CONDUCTED: Final = "This run"
NIGHTLY: Final = "Nights"
REHEARSED: Final = "Rehearsal, without a key"


def added(function: F, *options: Callable[[F], F]) -> F:
    """Add options in this order, of which some may stand under other headings."""
    for add in reversed(options):
        function = add(function)
    return function

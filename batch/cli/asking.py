"""What is said before a run spends anything, and on a terminal asked where it may be much."""

from __future__ import annotations

from typing import Final

import click

from batch.cli.caller import Caller
from batch.estimating.told import Estimated, worth_asking
from batch.outlook.look import outlook
from batch.outlook.words import cost_in_words, sentences, unbounded
from batch.plan import Plan
from batch.pricing import PriceBook
from batch.settings.pricelist import exact, price_book_of, read_prices, unlisted
from batch.settings.tree import Settings
from batch.wording import counted

LOOKED: Final = 25_000  # lines, which takes a second: a run is not to wait for longer
MANY: Final = 1000  # lines that are not sent unasked where nobody knows what they may cost
# That of a command which cannot be carried out as it was given: another one is wanted, as with a
# wrong flag. Programs never see it, as they are never asked.
DECLINED: Final = 2


class Asking:
    """Approves of what a run is about to send. Never asks where no person can answer."""

    def __init__(self, caller: Caller, *, yes: bool) -> None:
        self._caller = caller
        self._yes = yes

    def __call__(self, plan: Plan) -> None:
        """Say what it is likely to cost. Raises ``Exit`` if a person says no."""
        caller, settings = self._caller, plan.settings
        for path in settings.prices.files:
            read_prices(path)  # also of a rehearsal, and where nothing is said: it may be mistyped
        asks = not self._yes and not settings.run.mock and caller.attended
        if caller.quiet and not asks:
            return  # the look at all lines is saved
        # What a rehearsal would have cost, wbatch estimate says: to load prices takes a third of a
        # second.
        book = PriceBook() if settings.run.mock else price_book_of(settings, apart=True)
        estimated = outlook(plan, book, caller.clock(), LOOKED)
        if not caller.quiet:
            said = unbounded(estimated) if settings.run.mock else sentences(estimated)
            for line in said:
                caller.tell(line)
            if estimated.unpriced and not settings.run.mock and (hint := unlisted(settings.prices)):
                caller.tell(hint)
        if asks and _is_much(estimated, settings):
            # Where it is to be quiet nothing was said before, and the question stands for itself.
            what = f"{counted(estimated.lines, 'line')}, {cost_in_words(estimated)}. "
            if not caller.ask(f"{what if caller.quiet else ''}Go on?"):
                caller.tell("nothing was sent. -y goes on without asking")
                raise click.exceptions.Exit(DECLINED)


def _is_much(estimated: Estimated, settings: Settings) -> bool:
    budget = settings.budget
    most = exact(budget.max_cost) if budget.max_cost is not None else None
    return worth_asking(estimated, exact(budget.confirm_above), most, MANY)

"""Pictures and films as relays tell of them in a text, and speech. No vendor's words."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from batch.mock import Plan
from batch.mock._samples import mp3, pcm, png, wav
from batch.records import Makes
from batch.wire import Ask as Line
from batch.wire._base import makes

_SPOKEN_MS: Final = 10  # milliseconds
_PROGRESS: Final = ("> queued\n", "> working 25%\n", "> working 75%\n", "> done\n\n")


def made_by(model: str) -> Makes:
    """Return what calls of a model make, by its name."""
    return makes(model, Line())


def picture(plan: Plan) -> list[str]:
    """Return a text that holds a picture or, as the dice fall, leads to one, in lines."""
    number = plan.dice.below(1 << 32)
    if plan.dice.share() < 0.5:
        return [f"![image](data:image/png;base64,{b64encode(png(number)).decode()})\n"]
    address = plan.link("png", number)
    return [*_PROGRESS, f"![picture]({address})\n", f"[download]({address})\n"]


def film(plan: Plan) -> list[str]:
    """Return a text that leads to a film, in lines."""
    address = plan.link("mp4", plan.dice.below(1 << 32))
    return [*_PROGRESS, f"[click here]({address})\n"]


def speech(form: object, plan: Plan) -> str:
    """Return silence as base64, in the format that is asked for, if it is known here."""
    if form == "mp3":
        sound = mp3(plan.dice.below(1 << 32))
    else:
        sound = pcm(_SPOKEN_MS) if form == "pcm16" else wav(_SPOKEN_MS)
    return b64encode(sound).decode()

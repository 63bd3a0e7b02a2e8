"""The one pass over all inputs before any request: counts, compares, and finds repeated ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec

from batch.errors import BadBody, BadData
from batch.inputs.envelope import id_places
from batch.inputs.filling import Filler
from batch.inputs.form import Form
from batch.inputs.ids import GENERATED, OWN_ID, generated_id, usable_id
from batch.inputs.lines import RawLine
from batch.inputs.repeats import Pair, Repeats
from batch.inputs.settings import Reading
from batch.inputs.sources import Inputs
from batch.wire import formats
from batch.wording import shown

BUFFER_BYTES: Final = 4 * 1024 * 1024

Visit: TypeAlias = Callable[[RawLine], None]
# Whether the templates are to be filled for a line; else only its id is wanted.
Fresh: TypeAlias = Callable[[RawLine], bool]
IdOf: TypeAlias = Callable[[RawLine], str | None]


class Census(msgspec.Struct, frozen=True):
    """What the inputs hold."""

    lines: int  # that are not blank
    bytes: int  # of these, without line breaks


class Look:
    """How a line is looked into: for its id, and for whether its templates can be filled."""

    def __init__(self, forms: Sequence[Form], filler: Filler, fresh: Fresh | None = None) -> None:
        self._forms = forms
        self._filler = filler
        self._fresh = fresh

    def id_of(self, line: RawLine, render: bool = False) -> str | None:
        """Return the id that a line gives. Raises ``BadData`` for a template that has no use."""
        form = self._forms[line.place]
        if form.kind == "requests":
            return _id_of(line, form)
        return self._filler.look(line, form, render)

    def called(self, line: RawLine) -> str:
        """Return the id that a line gives, or the one that it gets."""
        return self.id_of(line) or generated_id(line.ordinal)

    def __call__(self, line: RawLine) -> str | None:
        """Look at a line for the first time."""
        form = self._forms[line.place]
        if form.kind == "requests":  # which is filled already, whether it has ended or not
            return _id_of(line, form)
        return self._filler.look(line, form, self._fresh is None or self._fresh(line))


def scan(
    inputs: Inputs,
    cache: str,
    visits: Sequence[Visit] = (),
    buffer_bytes: int = BUFFER_BYTES,
    look: Look | None = None,
) -> Census:
    """Read all lines once, show each to ``visits``, and fill its templates, which is thrown away.

    Ids are compared in ``buffer_bytes`` of memory and, beyond that, in a folder under ``cache``
    that is gone afterwards. Raises ``BadData`` for a custom_id that stands on two lines, and for a
    template that a line has no field for.
    """
    lines = size = 0
    posing = unnamed = False
    look = look or Look(inputs.forms, Filler(Reading()))
    with Repeats(cache, buffer_bytes) as repeats:
        for line in inputs.lines():
            for visit in visits:
                visit(line)
            lines += 1
            size += line.size
            custom_id = look(line)
            if custom_id is None:
                unnamed = True
                continue
            posing = posing or custom_id.startswith(GENERATED)
            if repeats.add(custom_id, line.ordinal):
                _refuse_same(inputs, repeats.suspects(), look.id_of)
        _refuse_same(inputs, repeats.suspects(), look.id_of)
    if posing and unnamed:
        _refuse_taken(inputs, cache, buffer_bytes, look)
    return Census(lines, size)


def _refuse_taken(inputs: Inputs, cache: str, buffer_bytes: int, look: Look) -> None:
    """Raise ``BadData`` for an id that is what another line, which gives none, is called."""
    with Repeats(cache, buffer_bytes) as repeats:
        for line in inputs.lines():
            if repeats.add(look.called(line), line.ordinal):
                _refuse_same(inputs, repeats.suspects(), look.called)
        _refuse_same(inputs, repeats.suspects(), look.called)


@cache
def _places() -> tuple[tuple[str, str], ...]:
    return id_places(formats())


@cache
def _ids() -> msgspec.json.Decoder[Any]:
    """Return what reads of a line its ids, and the bodies beside other vendors' ids."""
    # Never ``Raw | None``: msgspec then takes null alone.
    others = [(name, msgspec.Raw, msgspec.Raw()) for place in _places() for name in place]
    return msgspec.json.Decoder(
        msgspec.defstruct("Ids", [(OWN_ID, str | int | None, None), *others])
    )


def _id_of(line: RawLine, form: Form) -> str | None:
    """Return the custom_id that a request gives; none if it is too broken to give one."""
    if line.raw is None:
        return None
    try:
        told = _ids().decode(form.utf8(line.raw))
        if told.custom_id is None:
            for key, body in _places():
                if bytes(getattr(told, key)) and bytes(getattr(told, body))[:1] == b"{":
                    return usable_id(msgspec.json.decode(getattr(told, key)))
        return usable_id(told.custom_id)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadBody):
        return None


def _refuse_same(inputs: Inputs, suspects: list[Pair], id_of: IdOf) -> None:
    """Raise ``BadData`` for the first two lines whose ids, not only their hashes, are the same."""
    if not suspects:
        return
    wanted = {ordinal for pair in suspects for ordinal in pair}
    last = max(wanted)
    found: dict[int, RawLine] = {}
    for line in inputs.lines():
        if line.ordinal in wanted:
            found[line.ordinal] = line
        if line.ordinal >= last:
            break
    for first, later in suspects:
        custom_id = id_of(found[first])
        if custom_id is not None and custom_id == id_of(found[later]):
            ways = "Give every line its own custom_id, or none."
            if inputs.forms[found[later].place].kind != "requests":
                ways = (
                    "Name the column in which each row has its own with --id-column NAME, or none "
                    "with --id-column ''."
                )
            raise BadData(
                f'{found[later].where}: custom_id "{shown(custom_id)}" already stands on '
                f"{found[first].where}. {ways}"
            )

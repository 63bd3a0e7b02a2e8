"""What an answer may be: one of several labels, or whatever fits a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol

import msgspec
import orjson

from batch.errors import BadConfig
from batch.labeling import repair
from batch.labeling.repair import NOTHING
from batch.wording import cut, is_text

FIELD: Final = "label"  # where a label stands, if nothing else is said
_SHOWN: Final = 200  # characters of an answer, or of what is wrong with it, in messages


class Read(msgspec.Struct, frozen=True):
    """An answer, understood."""

    value: Any
    repaired: tuple[str, ...] = ()


class Misfit(msgspec.Struct, frozen=True):
    """An answer that is none of what it may be, and why, in words that a model understands."""

    reason: str


class Kind(Protocol):
    """What an answer may be."""

    def identity(self) -> Mapping[str, str]:
        """Return what of it makes another answer, as plain texts."""
        ...

    def schema(self, turn: int) -> Mapping[str, Any]:
        """Return what to ask for; each turn names the choices in another order."""
        ...

    def read(self, text: str, whole: bool) -> Read | Misfit:
        """Understand an answer. Not ``whole``: the output limit cut it."""
        ...

    def ballot(self, value: Any) -> str:
        """Return what two answers must have alike to be the same vote."""
        ...

    def wish(self) -> str:
        """Return what is asked for, in a sentence for a model."""
        ...


class Labels:
    """One of several labels, as the one field of an object; a bare word is taken too."""

    def __init__(self, labels: Sequence[str], field: str | None = None) -> None:
        self.labels = tuple(labels)
        self.field = field or FIELD
        if len(self.labels) < 2 or not all(one and one == one.strip() for one in self.labels):
            raise BadConfig(
                "labels: name at least two, none of them empty or with a space at its ends"
            )
        if len(set(self.labels)) < len(self.labels):
            raise BadConfig("labels: one of them is named twice")

    def identity(self) -> Mapping[str, str]:
        """Return the labels and their field."""
        return {"labels": orjson.dumps(self.labels).decode(), "label_field": self.field}

    def schema(self, turn: int) -> Mapping[str, Any]:
        """Return an object with the one field."""
        choice = {"type": "string", "enum": _turned(self.labels, turn)}
        return {
            "type": "object",
            "properties": {self.field: choice},
            "required": [self.field],
            "additionalProperties": False,
        }

    def read(self, text: str, whole: bool) -> Read | Misfit:
        """Understand an answer."""
        text, done = repair.unwrapped(text)
        if not text:
            return Misfit("the answer is empty")
        value, more = repair.parsed(text)
        if isinstance(value, dict):
            value, again = self._field(value)
            if value is NOTHING:
                return Misfit(f'the answer has no "{self.field}": {cut(text, _SHOWN)}')
            more = (*more, *again)
        elif value is NOTHING and not whole:
            return Misfit("the answer was cut by the output limit")
        elif value is NOTHING or isinstance(value, list):
            value, more = text, (repair.BARE,)
        else:
            more = (repair.BARE,)
        if not isinstance(value, str):
            value, more = json.dumps(value), (*more, repair.TYPE)
        label, again = repair.spelled(value, self.labels)
        if label is NOTHING:
            said = json.dumps(value, ensure_ascii=not is_text(value))
            return Misfit(f"{cut(said, _SHOWN)} is none of the labels")
        return Read(label, (*done, *more, *again))

    def ballot(self, value: Any) -> str:
        """Return the label."""
        return str(value)

    def wish(self) -> str:
        """Return what is asked for."""
        form = orjson.dumps({self.field: self.labels[0]}).decode()
        names = ", ".join(orjson.dumps(one).decode() for one in self.labels)
        return f"Answer with JSON only, such as {form}. It must be one of these: {names}."

    def _field(self, said: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """Return the field of an object; of one that calls it otherwise, its one value."""
        if self.field in said:
            return _scalar(said[self.field]), ()
        alike = [key for key in said if repair.folded(key) == repair.folded(self.field)]
        others = alike or list(said)
        if len(others) != 1:
            return NOTHING, ()
        return _scalar(said[others[0]]), (repair.KEY,)


class Fitting:
    """Whatever fits a JSON Schema; ``field`` is what votes and scores compare, else all of it."""

    def __init__(self, schema: str, field: str | None = None) -> None:
        self.field = field
        self._text = schema
        self._schema: dict[str, Any] = _object(schema)
        self._validator = _validator(self._schema)

    def identity(self) -> Mapping[str, str]:
        """Return the schema and the field."""
        return {"label_schema": self._text, **({"label_field": self.field} if self.field else {})}

    def schema(self, turn: int) -> Mapping[str, Any]:
        """Return the schema; the choices of the field in another order each turn."""
        named = self._schema.get("properties")
        if not turn or not self.field or not isinstance(named, dict):
            return self._schema
        choice = named.get(self.field)
        if not isinstance(choice, dict) or not isinstance(choice.get("enum"), list):
            return self._schema
        turned = {**choice, "enum": _turned(choice["enum"], turn)}
        return {**self._schema, "properties": {**named, self.field: turned}}

    def read(self, text: str, whole: bool) -> Read | Misfit:
        """Understand an answer."""
        text, done = repair.unwrapped(text)
        value, more = repair.parsed(text)
        if isinstance(value, str):
            inside, again = repair.parsed(value)  # an object that was written as a text
            if isinstance(inside, dict):
                value, more = inside, (*more, repair.QUOTES, *again)
        if value is NOTHING:
            why = "is not JSON" if whole else "was cut by the output limit"
            return Misfit(
                f"the answer {why}: {cut(text, _SHOWN)}" if text else "the answer is empty"
            )
        if why := repair.unwritable(value):
            return Misfit(f"the answer cannot be recorded: {why}")
        for flaw in self._validator.iter_errors(value):
            place = "".join(f"[{orjson.dumps(step).decode()}]" for step in flaw.instance_path)
            return Misfit(
                f"the answer does not fit: {cut(f'{place} {flaw.message}'.strip(), _SHOWN)}"
            )
        return Read(value, (*done, *more))

    def ballot(self, value: Any) -> str:
        """Return the field, or all of it, as JSON whose keys are in order."""
        if self.field and isinstance(value, dict):
            value = value.get(self.field)
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    def wish(self) -> str:
        """Return what is asked for."""
        return f"Answer with JSON only, that fits this JSON Schema: {self._text}"


def read_schema(path: str) -> str:
    """Return a file's JSON Schema as one line of JSON. Raises ``BadConfig``."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise BadConfig(f"label schema {path}: {error.strerror}") from None
    try:
        return orjson.dumps(_object(data)).decode()
    except BadConfig as wrong:
        raise BadConfig(f"{path}: {wrong}") from None


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadConfig(f"the label schema is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise BadConfig("the label schema is JSON, but not an object: {…}")
    return schema


class _Flaw(Protocol):
    message: str

    @property
    def instance_path(self) -> list[str | int]: ...


class _Validator(Protocol):
    def iter_errors(self, instance: Any) -> Iterator[_Flaw]: ...


def _validator(schema: dict[str, Any]) -> _Validator:
    try:
        import jsonschema_rs  # noqa: PLC0415 - an extra: labels from a list do without
    except ImportError:
        raise BadConfig(
            "a label schema needs another package: pip install 'wenwen-batch[schema]'"
        ) from None
    try:
        validator: _Validator = jsonschema_rs.validator_for(schema, retriever=_from_nowhere)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        what = cut(getattr(error, "message", str(error)), _SHOWN)
        if isinstance(getattr(error, "kind", None), jsonschema_rs.ValidationErrorKind.Referencing):
            what = f"it points to what does not stand in it, and nothing else is read: {what}"
        raise BadConfig(f"the label schema is no JSON Schema: {what}") from None
    return validator


def _from_nowhere(address: str) -> NoReturn:
    """Refuse what a schema names outside itself: nothing is fetched for it."""
    raise ValueError(f"{address} is not in the schema itself")


def _turned(choices: Sequence[Any], turn: int) -> list[Any]:
    start = turn % len(choices) if choices else 0
    return [*choices[start:], *choices[:start]]


def _scalar(value: Any) -> Any:
    return NOTHING if isinstance(value, dict | list) or value is None else value

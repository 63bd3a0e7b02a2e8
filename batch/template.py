"""Templates of prompts: a text with holes that the fields of a row fill, in jinja's words.

Sandboxed, as a template may come from anybody; strict, as a hole that stays empty would be paid for
on every line; and the same for the same row, so that a resume asks what the run asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from typing import Any, Final, NoReturn

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing as NOT_THERE  # noqa: N812 - what jinja has for no value at all

from batch.errors import BadBody, BadConfig
from batch.wording import as_json, is_text, shown

ROW: Final = "row"  # all fields of a row under one name, for names that are no words
FAULT: Final = "template_error"  # code of what is wrong with a template, or of a row for it
_SHOWN: Final = 8  # fields that a message names
_BRACES: Final = 'Braces that are text and no hole are written {{ "{{" }}'
_CHANCE: Final = ("lipsum",)  # what would make another prompt each time: also the filter random


class _Missing(Exception):
    """A field that a row does not have was to be used."""

    def __init__(self, name: str, of: object) -> None:
        super().__init__(name)
        self.name = name
        self.of = of  # what was asked for it; jinja's ``missing``: the row


class _NoFiles(BaseLoader):
    """What stands for other files: a template may come from anybody."""

    def get_source(self, environment: Environment, template: str) -> NoReturn:
        raise TypeError("a template takes in no other file. Write its text where it is wanted")


class _Strict(StrictUndefined):
    """What stands for a field that is not there: whatever is done with it names the field."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise _Missing(str(self._undefined_name), self._undefined_obj)

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = (
        _fail_with_undefined_error
    )
    __contains__ = __add__ = __radd__ = __getitem__ = __call__ = _fail_with_undefined_error


class Text:
    """A template, ready to be filled again and again."""

    def __init__(self, name: str, text: str) -> None:
        """``name`` is the file's, for messages. Raises ``BadConfig`` for what is no template."""
        self.name = name
        self.text = text
        try:
            self._template = _environment().from_string(text)
        except TemplateSyntaxError as error:
            what = (error.message or "this is no template").rstrip(".")
            raise BadConfig(f"{name}:{error.lineno}: {what}. {_BRACES}.") from None
        except TemplateError as error:
            raise BadConfig(f"{name}: {error}.") from None
        except (RecursionError, MemoryError, SyntaxError):  # of Python, which it is made into
            raise BadConfig(f"{name}: the template goes too deep.") from None

    @property
    def digest(self) -> str:
        """Return what tells this text from any other."""
        return sha256(self.text.encode()).hexdigest()[:16]

    def render(self, fields: Mapping[str, Any]) -> str:
        """Return the text with a row's fields in it. Raises ``BadBody``, naming the field."""
        try:
            return _whole("".join(_pieces(self._template, fields)))
        except _Missing as missing:
            raise BadBody(self._lacks(missing, fields), FAULT) from None
        except _Null:
            raise BadBody(self._null(fields), FAULT) from None
        except RecursionError:
            raise BadBody(f"{self.name}: the template goes too deep", FAULT) from None
        except Exception as error:  # noqa: BLE001 - a template may do anything wrong with a row
            what = shown(str(error) or type(error).__name__, 200).rstrip(". ")
            raise BadBody(f"{self.name}: {what}", FAULT) from None

    def _lacks(self, missing: _Missing, fields: Mapping[str, Any]) -> str:
        """Say which field is not there, and which are."""
        if missing.of is not NOT_THERE and not isinstance(missing.of, Mapping):
            return f'{self.name} uses "{shown(missing.name)}" of something that has no such part'
        names = fields if missing.of is NOT_THERE else missing.of
        known = [str(name) for name in names]
        close = get_close_matches(missing.name, known, 1)
        meant = f' Was "{shown(close[0])}" meant?' if close else ""
        told = ", ".join(f'"{shown(name)}"' for name in known[:_SHOWN])
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return (
            f'{self.name} uses "{shown(missing.name)}", which is not there.{meant} '
            f"There {'is' if len(known) == 1 else 'are'} {told or 'no fields'}{more}"
        )

    def _null(self, fields: Mapping[str, Any]) -> str:
        """Say which fields may be the one that was null."""
        null = [f'"{shown(name)}"' for name, value in fields.items() if value is None]
        which = f": {' or '.join(null[:_SHOWN])}" if null else ""
        return (
            f"{self.name} writes a field that is null{which}. Say what to write instead, as in "
            '{{ field or "unknown" }}'
        )


class _Null(Exception):
    """A null was to be written: people would read "None" there."""


def _written(value: Any) -> Any:
    """Return what stands in a prompt for a value: texts as they are, the rest as JSON writes it."""
    if isinstance(value, str):  # as most are
        return value
    if value is None:
        raise _Null
    if isinstance(value, bool | dict | list | tuple):
        return as_json(value)
    if isinstance(value, int | float | Undefined):
        return value
    # Python would write where in memory it is: another prompt each time, and nothing to read.
    raise TypeError(f"this writes no text, but {_called(value)}")


def _called(value: Any) -> str:
    """Return what something is that a template made and that is no text."""
    if isinstance(value, Iterable):
        return "a list that is not made yet: add | list, or | join(', ')"
    if callable(value):
        return "the name of a function: add its ()"
    return f"something called {type(value).__name__}"


def _whole(text: str) -> str:
    if not is_text(text):
        raise ValueError("it writes half a character, a lone surrogate")
    return text


def _pieces(template: Template, fields: Mapping[str, Any]) -> Iterator[str]:
    # As ``Template.render`` does it, but without its rewriting of tracebacks, and without its chain
    # of mappings, which takes longer than all the rest.
    found = _environment()
    names = {**found.globals, ROW: fields, **fields}
    return template.root_render_func(
        found.context_class(found, names, template.name, template.blocks)
    )


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    found = ImmutableSandboxedEnvironment(
        undefined=_Strict,
        loader=_NoFiles(),
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in _CHANCE:
        del found.globals[name]
    del found.filters["random"]
    found.filters["tojson"] = as_json  # jinja's own is for web pages
    return found

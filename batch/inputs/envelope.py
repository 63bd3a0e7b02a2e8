"""Understands a line: whose it is, which wire format serves it, and the bytes of its body.

A line is OpenAI's batch envelope, with or without method and url, the envelope of another vendor's
batch files, or a bare body. The body is a slice of the line, so that numbers, order and spelling go
out as the caller wrote them. Of a prompt, and of a row that a template made one of, the format of
the endpoint builds the body, else that of the model's vendor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.errors import BadBody, BadConfig
from batch.inputs.filling import Filled, Filler
from batch.inputs.form import PLAIN, Form, read_object
from batch.inputs.ids import OWN_ID, generated_id, the_id
from batch.inputs.lines import RawLine
from batch.inputs.settings import InputSettings
from batch.records import BadLine, Row
from batch.wire import Ask, WireFormat
from batch.wire._base import makes
from batch.wording import shown

_METHODS: Final = ("POST", "GET")
_MAX_MESSAGE: Final = 500  # characters
_KNOWN_URLS: Final = 256  # urls kept with their format: some formats name the model in it

_Route: TypeAlias = tuple[WireFormat, Ask]


class _Envelope(msgspec.Struct):
    body: msgspec.Raw


_envelope: Final = msgspec.json.Decoder(_Envelope)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Reader:
    """Turns raw lines into rows."""

    def __init__(
        self,
        formats: Mapping[str, WireFormat],
        settings: InputSettings,
        forms: Sequence[Form] = (),
    ) -> None:
        """``forms`` are those of the inputs; without them each line is a request.

        Raises ``BadConfig`` if the endpoint of the settings is not known.
        """
        self._formats = tuple(formats.values())
        self._forms = forms
        self._filler = Filler(settings.reading)
        self._settings = settings
        self._by_url = lru_cache(_KNOWN_URLS)(self._find)
        self._builder_of = lru_cache(_KNOWN_URLS)(self._builder)
        self._by_name = {f.name: (f, self._ask("POST", None)) for f in self._formats}
        self._wrapped = {f.wrapper.body_key: f for f in self._formats if f.wrapper is not None}
        self._id_places = id_places(formats)
        self._fallback = None if settings.endpoint is None else self._named(settings.endpoint)

    def parse(self, line: RawLine, *, summed: bool = True) -> Row | BadLine:
        """Return what a line asks, or why it asks nothing. Costs no request, raises nothing.

        A row that nobody will ask needs no hash of its line: it is then not ``summed``.
        """
        custom_id = None
        try:
            raw, form = self._short_enough(line), self._form(line)
            if form.kind == "requests":
                raw = form.utf8(raw)
                document = read_object(raw)
                custom_id = self._custom_id(document)
                route, body = self._understand(document, raw)
            else:
                fields = form.fields(raw)
                custom_id = self._filler.id_of(fields)
                whole = form.kind == "prompts" and not form.table
                written = _fields.decode(form.utf8(raw)) if whole else {}
                route, body = self._built(self._filler.fill(fields, form), fields, written)
            shaped = route[0].shape(body, route[1])
        except BadBody as error:
            return _bad(line, custom_id, error.code, str(error))
        except RecursionError:
            return _bad(line, custom_id, "invalid_json", "The line is nested too deeply.")
        return Row(
            # The first two without their names: of a call with more than fifteen, CPython makes a
            # dict, which takes four times as long.
            line.ordinal,
            line.sum if summed else 0,
            custom_id=custom_id or generated_id(line.ordinal),
            format=route[0].name,
            model=shaped.model,
            body=shaped.body,
            source=line.source,
            number=line.number,
            place=line.place,
            offset=line.offset,
            size=line.size,
            method=shaped.method,
            path=shaped.path,
            endpoint=shaped.endpoint,
            makes=shaped.makes,
            pack_key=shaped.pack_key,
        )

    def _form(self, line: RawLine) -> Form:
        return self._forms[line.place] if line.place < len(self._forms) else PLAIN

    def _short_enough(self, line: RawLine) -> bytes:
        if line.raw is None:
            raise BadBody(
                f"The line has {line.size} bytes; at most {self._settings.max_line_bytes} are "
                "allowed (--max-line-bytes).",
                "line_too_long",
            )
        return line.raw

    def _built(
        self, filled: Filled, fields: Mapping[str, Any], written: Mapping[str, msgspec.Raw]
    ) -> tuple[_Route, bytes]:
        """Return the route of a prompt and the body that its format builds.

        Fields of the body that the line has are put there as they are ``written``.
        """
        guess = filled.own and self._fallback is None  # what was said outranks what a shape tells
        claims = [one for one in self._formats if guess and one.mine(fields)]
        model = self._settings.override_model or filled.model or self._settings.model or ""
        route = self._by_name[claims[0].name] if len(claims) == 1 else self._builder_of(model)
        body = route[0].build(filled.prompt, filled.system, None)
        if filled.model is None and not filled.params:
            return route, body
        beside = {"model": filled.model} if filled.model is not None else {}
        changed = {
            name: written[name] if name in written else msgspec.Raw(orjson.dumps(value))
            for name, value in {**beside, **filled.params}.items()
        }
        return route, msgspec.json.encode({**_fields.decode(body), **changed})

    def _builder(self, model: str) -> _Route:
        """Return what builds a model's bodies: what the settings say, else its vendor's format."""
        if self._fallback is not None:
            return self._fallback
        kind = makes(model, self._ask("POST", None))
        if kind != "text":
            raise BadBody(
                f"The model {shown(model)} makes no text but {kind}: which endpoint is the prompt "
                "for? Say --endpoint, as in --endpoint /v1/images/generations.",
                "unknown_endpoint",
            )
        fits = [
            (len(pattern), one.name)
            for one in self._formats
            for pattern in one.builds_for
            if fnmatchcase(model.lower(), pattern)
        ]
        return self._by_name[max(fits)[1]]

    def _understand(self, document: dict[str, Any], raw: bytes) -> tuple[_Route, bytes]:
        """Return the route of a line and the bytes of its body."""
        if "body" in document:
            return self._enveloped(document), bytes(_envelope.decode(raw).body)
        if document.get("method") == "GET":
            return self._enveloped({**document, "body": {}}), b"{}"
        if "url" in document or "method" in document:
            raise BadBody('The line has no "body".')
        for key, one in self._wrapped.items():
            if isinstance(document.get(key), dict):
                return self._by_name[one.name], bytes(_fields.decode(raw)[key])
        route = self._by_shape(document)
        return route, _without_id(raw) if "custom_id" in document else raw

    def _enveloped(self, document: dict[str, Any]) -> _Route:
        """Check everything around a body and return its route."""
        method = document.get("method", "POST") or "POST"
        if method not in _METHODS:
            raise BadBody('The "method" must be "POST", or for some endpoints "GET".')
        if "headers" in document:
            raise BadBody('A line cannot set "headers": keys and headers belong to the settings.')
        body, url = document["body"], document.get("url")
        if not isinstance(body, dict):
            raise BadBody('The "body" must be an object: {…}.')
        if url is None and method == "POST":
            return self._by_shape(body)
        if not isinstance(url, str):
            raise BadBody('The "url" must be a text.')
        return self._by_url(method, url)

    def _find(self, method: str, url: str) -> _Route:
        """Return the route of a url. Raises ``BadBody``."""
        path = url.partition("?")[0]  # what follows may hold a key
        if "://" in path or path.startswith("//"):
            raise BadBody(
                'The "url" is a whole address. A line gives only a path, such as '
                "/v1/chat/completions; the host belongs to the settings (--base-url)."
            )
        for one in self._formats:
            if one.claims(method, url):
                return one, self._ask(method, url)
        raise BadBody(
            f'The "url" {shown(path)} is not known'
            f"{self._other_method(method, url) or f'. {self._meant(path)}'}",
            "unknown_endpoint",
        )

    def _other_method(self, method: str, url: str) -> str:
        """Say so if a url is known with the other method."""
        others = [other for other in _METHODS if other != method]
        fits = [m for m in others if any(one.claims(m, url) for one in self._formats)]
        return f' with "method": "{method}", only with "{fits[0]}".' if fits else ""

    def _by_shape(self, body: Mapping[str, Any]) -> _Route:
        """Return the route of a body without a url: what its shape tells, else the settings."""
        claims = [one for one in self._formats if one.mine(body)]
        if len(claims) == 1:
            return self._by_name[claims[0].name]
        if self._fallback is not None:
            return self._fallback
        paths = [one.routes[0].template for one in claims]
        fits = f"fits {' and '.join(paths)}" if claims else "does not tell which endpoint it is for"
        raise BadBody(
            f'The line has no "url", and its body {fits}. Give it a "url", or all such lines '
            "--endpoint, as in --endpoint /v1/responses.",
            "unknown_endpoint",
        )

    def _named(self, endpoint: str) -> _Route:
        """Return the route of an endpoint in the settings: a path, or a format's name."""
        try:
            return self._by_name.get(endpoint) or self._find("POST", endpoint)
        except BadBody:
            meant = self._meant(endpoint)
            raise BadConfig(f"endpoint {shown(endpoint)}: not known. {meant}") from None

    def _ask(self, method: str, url: str | None) -> Ask:
        settings = self._settings
        return Ask(
            method=method,
            url=url,
            model=settings.model,
            override_model=settings.override_model,
            add_usage=settings.add_usage,
            makes=settings.makes,
        )

    def _meant(self, path: str) -> str:
        """Return what a path may have been meant to be: those like it, else one of each format."""
        paths = {route.template for one in self._formats for route in one.routes}
        if close := get_close_matches(path, sorted(paths), n=3):
            return f"Was {' or '.join(close)} meant?"
        return f"Known are {', '.join(sorted(one.routes[0].template for one in self._formats))}."

    def _custom_id(self, document: Mapping[str, Any]) -> str | None:
        """Return the id that a line gives, or None. Raises ``BadBody`` for one that is none."""
        key = OWN_ID
        if key not in document:
            for other, body in self._id_places:
                if other in document and isinstance(document.get(body), dict):
                    key = other
        return the_id(key, document.get(key))


def id_places(formats: Mapping[str, WireFormat]) -> tuple[tuple[str, str], ...]:
    """Return the other keys that ids stand under, each with that of the body beside it."""
    wrappers = (one.wrapper for one in formats.values() if one.wrapper is not None)
    return tuple((one.id_key, one.body_key) for one in wrappers if one.id_key != OWN_ID)


def _without_id(raw: bytes) -> bytes:
    """Return a bare body without its custom_id, every other value as it was written."""
    fields = _fields.decode(raw)
    del fields["custom_id"]
    return msgspec.json.encode(fields)


def _bad(line: RawLine, custom_id: str | None, code: str, message: str) -> BadLine:
    return BadLine(
        ordinal=line.ordinal,
        sum=line.sum,
        custom_id=custom_id or generated_id(line.ordinal),
        source=line.source,
        number=line.number,
        code=code,
        message=shown(message, _MAX_MESSAGE),
    )

"""Builds what is sent: JSON bytes, or a multipart form that is new for every attempt."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import aiohttp

from batch.errors import Refused
from batch.records import Field, FileRef, Form

JSON: Final = "application/json"
# From here on aiohttp warns of bytes and wants a file: it then writes in slices, and lets others
# run between them.
LARGE: Final = 1 << 20


def json_payload(body: bytes) -> aiohttp.Payload:
    """Return a JSON body as aiohttp writes it at least cost, content type included."""
    if len(body) < LARGE:
        return aiohttp.BytesPayload(body, content_type=JSON)
    return aiohttp.BytesIOPayload(io.BytesIO(body), content_type=JSON)


@contextmanager
def multipart(form: Form) -> Iterator[aiohttp.FormData]:
    """Open a form's files for one attempt. Raises ``Refused`` with the name of a bad one."""
    # Names go out as they are, in UTF-8, as browsers and curl send them: quoted ones would reach
    # the gateway with their percent signs.
    data = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    with ExitStack() as files:
        for field in form.fields:
            try:
                _add(data, field, files)
            except (OSError, ValueError) as broken:
                raise Refused(f"the form cannot be sent: {_reason(field, broken)}") from broken
        yield data


def _add(data: aiohttp.FormData, field: Field, files: ExitStack) -> None:
    value = field.value
    if isinstance(value, str):
        data.add_field(field.name, value)
        return
    # Opened here and read by aiohttp in a thread, slice by slice.
    file = files.enter_context(open(value.path, "rb"))  # noqa: SIM115 - the stack closes it
    data.add_field(field.name, file, filename=value.filename, content_type=value.content_type)


def _reason(field: Field, broken: Exception) -> str:
    what = f"file {field.value.path!r}" if isinstance(field.value, FileRef) else "value"
    why = broken.strerror if isinstance(broken, OSError) else broken
    return f"{what} of field {field.name!r}: {why}"

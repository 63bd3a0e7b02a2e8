"""What a complete answer with pictures is, and where these are in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batch.errors import CutAnswer, NoMedia, NotAnAnswer
from batch.records import Answer, Blob, Reply, Request
from batch.wire._files import WEB
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_dict, as_list, first_text
from batch.wire.images.usage import read_usage


def read_answer(request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
    """Return the answer, and the address of each picture that is still to be fetched for it.

    Fewer pictures than were asked for are an answer: the vendor holds back what it does not like.
    Raises ``CallFailed`` for a reply that is no complete answer.
    """
    document = read_json(reply)
    told, data = document.get("usage"), document.get("data")
    if reply.streamed and data is None:
        what = "the answer stops before its end: no event says that the pictures are complete"
        raise no_answer(reply, CutAnswer, what, read_usage(told))
    if data is not None and not isinstance(data, list):
        raise no_answer(reply, NotAnAnswer, "the reply has no list of pictures", read_usage(told))
    places = [place for item in as_list(data) if (place := _place(as_dict(item)))]
    if not places:
        raise no_answer(
            reply, NoMedia, f"the answer holds no picture{_why(data)}", read_usage(told)
        )
    addresses = [place for place in dict.fromkeys(places) if place.startswith(WEB)]
    inside = [place for place in dict.fromkeys(places) if not place.startswith(WEB)]
    answer = Answer(
        body=one_line(raw(reply)),
        content=None,
        finish="stop",
        usage=read_usage(told, len(places)),
        model=first_text(document, "model") or None,
        status=reply.status,
        request_id=request_id(reply.headers),
        # Those that are fetched get the first numbers.
        blobs=tuple(
            Blob(text, request.file_name(number))
            for number, text in enumerate(inside, len(addresses))
        ),
    )
    return answer, [[one] for one in addresses]


def _place(item: Mapping[str, Any]) -> str:
    """Return where a picture is: base64, a data URI, or an address. Of two, what needs no fetching.

    The gateway's converters print both keys, the unused one with an empty text.
    """
    url, inside = item.get("url"), item.get("b64_json")
    if isinstance(inside, str) and inside:
        return inside
    return url if isinstance(url, str) and url.startswith((*WEB, "data:")) else ""


def _why(data: Any) -> str:
    """Return what is said in the place of the first picture, if anything is."""
    said = first_text({"data": data}, "data.0.error.message", "data.0.error.code")
    return f": {said}" if said else ""

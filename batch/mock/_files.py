"""The files that answers name, made anew for each request: always the same for the same name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from batch.mock import Whole
from batch.mock._samples import mp3, mp4, png, wav

_NAME: Final = re.compile(r"/files/(\d{1,12})\.(\w+)")
_MAKERS: Final[Mapping[str, tuple[str, Callable[[int, int], bytes]]]] = {
    "png": ("image/png", lambda number, _: png(number)),
    "mp4": ("video/mp4", mp4),
    "mp3": ("audio/mpeg", lambda number, _: mp3(number)),
    "wav": ("audio/wav", lambda _, __: wav(100)),
}


def media_file(path: str, film_bytes: int) -> Whole | None:
    """Return the file at a path, or None if no answer can have named it."""
    found = _NAME.fullmatch(path)
    if found is None or found[2] not in _MAKERS:
        return None
    content_type, make = _MAKERS[found[2]]
    return Whole(body=make(int(found[1]), film_bytes), content_type=content_type)

"""The templates of a run: read from files, told apart by digests, and kept for a retry.

A digest in the run's identity says which text was asked; the text itself is kept beside the logs,
since the file that it came from may be another one by the time of a retry.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from batch.errors import BadConfig, BadData
from batch.files import Files, read_whole, write_whole
from batch.inputs.form import known_encoding
from batch.inputs.settings import Reading, Text
from batch.ledger.paths import Paths
from batch.settings.tree import RequestSettings

if TYPE_CHECKING:  # it loads a library that only templates need
    from batch import template

MOST_BYTES: Final = 16 << 20  # of a template; a device would have no end
NAMES: Final = ("prompt", "system")  # of the settings, and in a run's identity


def reading(request: RequestSettings, texts: Mapping[str, Text]) -> Reading:
    """Return how lines become requests. Raises ``BadConfig`` for an encoding that is of no use."""
    return Reading(
        encoding=known_encoding(request.encoding),
        prompt=texts.get("prompt"),
        system=texts.get("system"),
        params=request.params,
        id_column=request.id_column,
        asking=True,
        any_body=request.endpoint is not None,
    )


def read_texts(request: RequestSettings) -> dict[str, template.Text]:
    """Read the templates that the settings name. Raises ``BadConfig``."""
    paths = {"prompt": request.prompt, "system": request.system}
    return {name: _text(path, _content(name, path)) for name, path in paths.items() if path}


def _content(name: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadConfig(
            f"{name}: {path} cannot be read: {error.strerror}. The text has to be in a file, whose "
            "path is given."
        ) from None
    if len(content) > MOST_BYTES:
        raise BadConfig(f"{name}: {path} is larger than {MOST_BYTES:,} bytes: no template is.")
    return content


def _text(name: str, content: bytes) -> template.Text:
    from batch.template import Text as Filled  # noqa: PLC0415 - only where there is a template

    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as flaw:
        raise BadConfig(
            f"{name}: not UTF-8: byte {flaw.start + 1} is wrong. Save it as UTF-8."
        ) from None
    return Filled(name, text)


def digests(texts: Mapping[str, template.Text]) -> dict[str, str]:
    """Return what of the templates makes another answer."""
    return {name: text.digest for name, text in texts.items()}


def keep(files: Files, paths: Paths, texts: Mapping[str, template.Text]) -> None:
    """Keep the templates beside the logs. Raises ``OSError``."""
    for text in texts.values():
        path = _kept_path(paths, text.digest)
        if not files.length(path):
            files.make_folder(paths.prompts)
            write_whole(files, path, text.text.encode())


def kept(files: Files, paths: Paths, identity: Mapping[str, Any]) -> dict[str, template.Text]:
    """Return the templates of a run's identity. Raises ``BadData`` where one is gone."""
    found = {}
    for name in NAMES:
        if digest := identity.get(name):
            path = _kept_path(paths, str(digest))
            content = read_whole(files, path)
            text = None if content is None else _text(path, content)
            if text is None or text.digest != digest:
                raise BadData(
                    f"{path}: the template that was asked is no longer there. Bring it back, or "
                    "use wbatch run."
                )
            found[name] = text
    return found


def _kept_path(paths: Paths, digest: str) -> str:
    return os.path.join(paths.prompts, f"{digest}.txt")

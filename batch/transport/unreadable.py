"""What is wrong with a reply that cannot be read, in plain words.

aiohttp words it for who writes servers, and as a request that it was itself to refuse with 400. Its
exceptions carry nothing but these words, of which the beginnings are known here; of any others the
"400" is left away.
"""

from __future__ import annotations

import re
from typing import Final

import aiohttp

# What aiohttp says, in one line, and what it is for people, after "the answer of HOST".
WORDS: Final = (
    (r"received (\d+) of (\d+) bytes", "was cut: {0} of {1} bytes came"),
    (r"Not enough data to satisfy transfer length", "was cut: the end of its chunks is missing"),
    (r"content-encoding: (.+?)\. Please", "is packed as {0}, which was not asked for"),
    (r"content-encoding: (.+)", "cannot be unpacked: it is called {0}, and is none or is damaged"),
    (r"Bad status line.*?b?(['\"])\\x1[56]\\x03", "is no HTTP but TLS: write https://"),
    (r"Bad status line.*?b?(['\"].*['\"])", "is no HTTP: it begins with {0}"),
    (r"Got more than (\d+) bytes", "has a line of more than {0} bytes outside its body"),
)
# ``400, message: TEXT``, or ``<Error: 400, message='TEXT'>`` within a sentence.
_WRAPPED: Final = re.compile(r"400, message(?:: (?P<plain>.*)|=(['\"])(?P<quoted>.*?)\2>)")


def in_words(broken: aiohttp.ClientResponseError | aiohttp.ClientPayloadError) -> str:
    """Return what is wrong with a reply, as the end of a sentence that begins with the reply.

    What it quotes was sent by others, and is not redacted yet. What aiohttp quotes of a line that
    is too long is left out: it is cut already, perhaps within a key.
    """
    if isinstance(broken, aiohttp.ClientResponseError):
        told, otherwise = broken.message, "is no HTTP"
    else:
        told, otherwise = str(broken), "was cut"
    text = " ".join(told.split()).removesuffix(" ^")
    for pattern, words in WORDS:
        if found := re.search(pattern, text):
            return words.format(*found.groups())
    if wrapped := _WRAPPED.search(text):
        return f"is no HTTP: {wrapped['plain'] or wrapped['quoted']}"
    return f"{otherwise}: {text}"

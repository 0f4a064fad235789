"""Absolute paths in a binary at which it may look for something when it runs, read from its bytes."""

from __future__ import annotations

import re

# Whole texts, as C has them; a search path is several, with colons between them.
_TEXT = re.compile(rb"\0(/(?:etc|lib|opt|usr)[\w.+@/:-]{3,1020})(?=\0)")
_PLACE = re.compile(r"(?:/usr(?:/local)?|/opt/.+)?/lib(?:32|64|x32)?/.+|(?:/etc|/usr/local)/(?:ssl|pki/tls)(?:/.+)?")


def read_places(content: bytes) -> tuple[str, ...]:
    """The paths below folders of libraries, and of CA certificates, that stand in it as whole texts: each once, sorted.

    The work is bounded by the length of the bytes.
    """
    found = {place.rstrip("/") for text in _TEXT.finditer(content) for place in text[1].decode("latin-1").split(":")}
    return tuple(sorted(filter(_PLACE.fullmatch, found)))

"""Absolute paths in a binary at which it may look for something when it runs, read from its bytes."""

from __future__ import annotations

import re

# Whole texts, as C has them; a search path is several, with colons between them, and a format has its % signs.
_TEXT = re.compile(rb"(?<![ -~])(/(?:etc|lib|opt|usr|var)[\w.+@/:%-]{3,1020})(?=\0)")
_PLACE = re.compile(
    r"(?:/usr|/usr/local(?:/.+)?|/opt/.+)?/lib(?:32|64|x32|exec)?/.+|/usr(?:/local(?:/.+)?)?/share/.+|/var/lib/.+"
    r"|(?:/etc|/usr/local)/(?:ssl|pki/tls)(?:/.+)?"
)


def read_places(content: bytes | bytearray) -> tuple[str, ...]:
    """The paths below folders of libraries, of what belongs to them, and of CA certificates, that stand in it as whole
    texts: each once, sorted. One with ``%s`` in it, say, stands for many.

    The work is bounded by the length of the bytes.
    """
    found = {place.rstrip("/") for text in _TEXT.finditer(content) for place in text[1].decode("latin-1").split(":")}
    return tuple(sorted(filter(_PLACE.fullmatch, found)))

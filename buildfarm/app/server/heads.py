"""Heads of requests as most come: whole, in one piece, a GET, and nothing behind it (RFC 9112).

Installers say the same of themselves for each page that they ask for, so this part of a head is parsed once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from buildfarm.app.server.exchange import Fields, Request, gathered

_METHOD, _VERSION, _END = b"GET ", b" HTTP/1.1\r\n", b"\r\n\r\n"
_LONGEST = 4096  # bytes of a head; longer ones take the ordinary way
_NOT_USUAL = frozenset({b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"})


def read(data: bytes, report: Callable[[str], None] | None) -> Request | None:
    """The request that the bytes are; None where they are less, more, or one that needs a closer look."""
    if len(data) > _LONGEST or not data.startswith(_METHOD) or data.find(_END) != len(data) - len(_END):
        return None
    end = data.find(b"\r\n") + 2
    if not data.endswith(_VERSION, 0, end) or (fields := _fields(data[end:])) is None:
        return None
    path, _, query = data[len(_METHOD) : end - len(_VERSION)].decode("latin-1").partition("?")
    return Request("GET", path, query, fields, report)


@lru_cache(maxsize=1024)
def _fields(lines: bytes) -> Fields | None:
    """The fields of a head without its first line; None where one of them asks for more than an answer."""
    reading = _Reading()
    try:
        HttpRequestParser(reading).feed_data(b"GET / HTTP/1.1\r\n" + lines)
    except (HttpParserError, HttpParserUpgrade):
        return None
    fields = gathered(reading.headers)
    return fields if reading.messages == 1 and _NOT_USUAL.isdisjoint(fields) else None


class _Reading:
    """What the parser finds."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.messages += 1

"""Files of the tree, whole or in part, in pieces that hold nothing else up. Ranges: RFC 9110, 14."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path, PurePosixPath

from buildfarm.app.server.exchange import REVALIDATE, TEXT, Exchange, Header
from buildfarm.app.server.pages import opened
from buildfarm.pages.addresses import File, part_of

_TYPES = {".metadata": TEXT, ".json": "application/json", ".gz": "application/gzip", ".zip": "application/zip"}
_IMMUTABLE = b"max-age=31536000, immutable"
_PIECE = 256 << 10
_AT_ONCE = getattr(os, "RWF_NOWAIT", None)
"""What asks for bytes only if they are in memory, where the system knows such a question (Linux)."""


async def answer_file(exchange: Exchange, folder: Path, place: File, *, private: bool) -> None:
    """The file, the part of it that is wanted, or why not. ``private`` ones are kept by nobody between."""
    file = opened(folder, place.path)
    if file is None:
        await say_absent(exchange)
        return
    with file:
        await _answer(exchange, file.fileno(), place, b"private, " + _IMMUTABLE if private else _IMMUTABLE)


async def say_absent(exchange: Exchange) -> None:
    """Answer that there is no such file."""
    await exchange.say(404, "There is no such file; the page of its project lists those that there are.")


async def _answer(exchange: Exchange, number: int, place: File, cache: bytes) -> None:
    size, tag = os.fstat(number).st_size, f'"{place.sha256}"'
    headers: list[Header] = [(b"etag", tag.encode()), (b"accept-ranges", b"bytes"), (REVALIDATE[0], cache)]
    if exchange.knows(tag):
        await exchange.answer(304, headers)
        return
    whole = exchange.method == "HEAD" or (exchange.field(b"if-range") or tag) != tag
    status, part = part_of(size, "" if whole else exchange.field(b"range"))
    if status == 416:
        await exchange.say(416, f"The file has {size} bytes.", (b"content-range", b"bytes */%d" % size))
        return
    if status == 206:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, size)))
    kind = _TYPES.get(PurePosixPath(place.path).suffix, "application/octet-stream")
    await exchange.begin(status, [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(part)), *headers])
    if not part or exchange.method == "HEAD":
        await exchange.send(b"")
        return
    gone = asyncio.create_task(_gone(exchange))
    try:
        await _send(exchange, number, part, gone)
    finally:
        gone.cancel()


async def _send(exchange: Exchange, number: int, part: range, gone: asyncio.Task[None]) -> None:
    at = part.start
    while at < part.stop and not gone.done():
        piece = await _read(number, min(_PIECE, part.stop - at), at)
        if not piece:
            raise ConnectionAbortedError("the file was cut off while it was sent")  # said by the only means left
        at += len(piece)
        await exchange.send(piece, more=at < part.stop)
        await asyncio.sleep(0)  # others have their turn, also when nobody takes what is sent


async def _gone(exchange: Exchange) -> None:
    """Wait until nobody listens any more: sending does not tell."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def _read(number: int, size: int, at: int) -> bytes:
    """Bytes of an open file: at once those in memory, else on a thread, for a disk may take its time."""
    if _AT_ONCE is not None:
        piece = bytearray(size)
        try:
            if count := os.preadv(number, [piece], at, _AT_ONCE):
                return bytes(piece[:count]) if count < size else bytes(piece)
        except OSError:  # not in memory, or a file system that has no such answer
            pass
    return await asyncio.to_thread(os.pread, number, size, at)

"""Files out of a session, without following a link that a command may have left in it."""

from __future__ import annotations

import contextlib
import queue
import tempfile
from collections.abc import Iterator
from typing import IO

from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.inside import program
from buildfarm.adapters.container.running import Inside
from buildfarm.adapters.container.stream import OUT, Stream
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store

_PATIENCE = 60.0  # seconds for that program to say something
_TAKE = program("dumpable", "take")
_IN_MEMORY = 16 << 20  # bytes, before it goes to the disk
_CHUNK = 1 << 20
_HEADERS = 1 << 20  # bytes that it may send beside those of the files


class TooMuch(Exception):
    """The files have more bytes than may be fetched."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Nameless(Exception):
    """A file has a name that is no text."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self.name = name


def fetched(inside: Inside, root: str, pattern: tuple[str, ...], most: int, store: Store) -> tuple[Artifact, ...]:
    """The regular files below ``root`` that match one glob per name of their path, now in the store, by name.

    A program inside looks for them and sends them: an engine's own archives follow the links among the folders above,
    and hold all that is below a folder. Raises ``TooMuch``, ``Nameless``; ``FarmError`` when that fails.
    """
    argv = inside.argv(_TAKE, root, str(most), *pattern)
    with told("fetch files from the session"), tempfile.SpooledTemporaryFile(_IN_MEMORY) as answer:
        with contextlib.closing(Stream(inside.engine, inside.container, argv)) as stream:
            _receive(stream, answer, most + _HEADERS)
        return tuple(sorted(_unpacked(answer, store)))


def _receive(stream: Stream, answer: IO[bytes], most: int) -> None:
    """All that it sends, from the start, up to so many bytes."""
    said = b""
    try:
        while piece := stream.hear(_PATIENCE):
            if piece[0] == OUT:
                answer.write(piece[1])
                if answer.tell() > most:
                    raise TooMuch(answer.tell())
            else:
                said = piece[1]
    except queue.Empty:
        raise FarmError("the container engine does not send the session's files") from None
    if said or stream.exit_code():
        raise FarmError(f"the session's files cannot be read: {said.decode(errors='replace').strip()}")
    answer.seek(0)


def _unpacked(answer: IO[bytes], store: Store) -> Iterator[Artifact]:
    while header := _until_zero(answer):
        size, _, name = header.partition(b" ")
        if not name:
            raise TooMuch(int(size))
        try:
            text = name.decode()
        except UnicodeDecodeError:
            raise Nameless(name) from None
        yield _kept(text, answer, int(size), store)


def _until_zero(answer: IO[bytes]) -> bytes:
    found = b""
    while (byte := answer.read(1)) not in (b"", b"\0"):
        found += byte
    return found


def _kept(name: str, answer: IO[bytes], size: int, store: Store) -> Artifact:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as part:
        while part.tell() < size:
            if not (chunk := answer.read(min(_CHUNK, size - part.tell()))):
                raise FarmError(f"the container engine has sent only a part of {name}")
            part.write(chunk)
        part.seek(0)
        return store.put(name, part)

"""A program in a running container (an exec), and its streams."""

from __future__ import annotations

import contextlib
import queue
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from buildfarm.adapters.container.connection import CHUNK, Connection, connection
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.faults import FAULTS

OUT, ERR = 1, 2
"""The streams that a program writes to."""

_WAITING = 64  # pieces that are held for a slow reader, before the program is made to wait

Piece = tuple[int, bytes]
"""Which stream, and what came there."""


class Stream:
    """An exec that runs, joined to us by a connection of its own.

    A thread reads, because not every way to an engine can be waited for with a time limit.
    """

    def __init__(self, engine: Engine, container: str, argv: tuple[str, ...]) -> None:
        """Start it. Raises what the client raises (``faults.FAULTS``)."""
        api = engine.client.api
        self._api = api
        self._id = api.exec_create(container, list(argv), stdin=True, workdir="/")["Id"]
        self._connection = connection(api.exec_start(self._id, socket=True))
        self._pieces: queue.Queue[Piece | None] = queue.Queue(_WAITING)
        self._closed = False
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, line: bytes) -> None:
        """To its standard input; a connection that is lost is no error here: the end of its output tells."""
        with contextlib.suppress(OSError):
            self._connection.send(line)

    def hear(self, seconds: float) -> Piece | None:
        """The next piece of its output; None at the end. Raises ``queue.Empty`` when none comes in that time."""
        return self._pieces.get(timeout=max(0.0, seconds))

    def exit_code(self) -> int | None:
        """None while it runs. Raises what the client raises, as for an engine that knows it no more."""
        found: Mapping[str, Any] = self._api.exec_inspect(self._id)
        return None if found["Running"] else found["ExitCode"]

    def close(self) -> None:
        """Leave it, whether it runs or not."""
        self._closed = True
        self._connection.close()
        with contextlib.suppress(queue.Empty):  # the thread may wait for room
            while True:
                self._pieces.get_nowait()

    def _listen(self) -> None:
        with contextlib.suppress(*FAULTS, struct.error):
            for piece in frames(self._connection):
                self._pieces.put(piece)
                if self._closed:
                    break
        self._pieces.put(None)


def frames(joint: Connection) -> Iterator[Piece]:
    """What comes over the connection of an exec without a terminal: frames with a header of eight bytes."""
    while len(header := _exactly(joint, 8)) == 8:
        stream, size = struct.unpack(">BxxxL", header)
        while size and (data := joint.read(min(size, CHUNK))):
            size -= len(data)
            yield stream, data


def _exactly(joint: Connection, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := joint.read(size - len(found))):
        found += data
    return found

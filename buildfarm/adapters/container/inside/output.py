"""What a command in a session's container says, passed on. A part of the shim."""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
else:
    import _signal as signal

_PATIENCE = 20.0  # seconds for which the stream may be stuck before it is given up
_CHUNK = 65536


class Output:
    """What the command says: all of it to the stream, as long as anybody listens, and ``kept`` bytes to a file."""

    def __init__(self, pipe: int, path: str, room: int) -> None:
        self._pipe: int | None = pipe
        self._room = room
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:  # a command removed the folder
            self._room = 0
        self._unsent, self._stuck = b"", 0.0
        self.kept = self._sent = 0
        self._listening = True
        os.set_blocking(pipe, False)
        os.set_blocking(1, False)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def wants_to_read(self) -> list[int]:
        """The pipe, when there is room for what it holds."""
        return [] if self._unsent or self._pipe is None else [self._pipe]

    def wants_to_write(self) -> list[int]:
        """The stream, when there is something to send."""
        return [1] if self._unsent else []

    def move(self, ready: Sequence[int], free: Sequence[int]) -> None:
        """Pass on what can be passed on now."""
        if self._pipe in ready:
            self._read()
        if self._unsent and 1 in free:
            self._send()
        elif self._unsent and time.monotonic() > self._stuck + _PATIENCE:
            self._listening, self._unsent = False, b""

    def finish(self) -> None:
        """When nobody writes any more: pass on what is left; what resisted its end may hold the pipe open."""
        until = time.monotonic() + _PATIENCE
        while self._unsent or (self._pipe is not None and time.monotonic() < until):
            self._read()
            self.move((), select.select([], self.wants_to_write(), [], 0.05)[1] if self._unsent else ())

    def said(self) -> dict[str, int]:
        """For the report: bytes that were kept in the file and sent to the stream."""
        return {"kept": self.kept, "sent": self._sent}

    def _read(self) -> None:
        if self._unsent or self._pipe is None:
            return
        try:
            chunk = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return
        if chunk == b"":
            os.close(self._pipe)
            self._pipe = None
            return
        self._keep(chunk)
        if self._listening:
            self._unsent, self._stuck = chunk, time.monotonic()
            self._send()

    def _keep(self, chunk: bytes) -> None:
        fitting = chunk[: self._room - self.kept]
        try:
            self.kept += os.write(self._file, fitting) if fitting else 0
        except OSError:  # no room on the disk, or more than one file may hold
            self._room = self.kept

    def _send(self) -> None:
        try:
            sent = os.write(1, self._unsent)
        except BlockingIOError:
            return
        except OSError:  # nobody is at the other end any more
            self._listening, self._unsent = False, b""
            return
        self._sent += sent
        self._unsent, self._stuck = self._unsent[sent:], time.monotonic()

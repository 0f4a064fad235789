"""The two ways of an attached exec, over whatever leads to the engine: a socket, TLS, or the streams of an ssh."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 65536


class Connection(ABC):
    """One thread may read while another sends."""

    def __init__(self, given: Any) -> None:
        self._given = given

    @abstractmethod
    def read(self, most: int = CHUNK) -> bytes:
        """What has come, up to so many bytes; empty at the end."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """All of it."""

    @abstractmethod
    def end(self) -> None:
        """Say that nothing more will be sent; what comes can still be read."""

    def close(self) -> None:
        """Both ways; whoever reads is woken."""
        self._given._response.close()  # noqa: SLF001 - the client hangs it there, and closes it nowhere


def connection(given: Any) -> Connection:
    """Of what the client gives for ``socket=True``."""
    if isinstance(given, ssl.SSLSocket):
        return _Tls(given)
    return _Ssh(given) if hasattr(given, "proc") else _Plain(given)


class _Plain(Connection):
    def __init__(self, given: Any) -> None:
        super().__init__(given)
        # A file around the socket, which has lost its buffer and cannot be written to.
        self._socket = socket.socket(fileno=os.dup(given.fileno()))
        self._socket.settimeout(None)

    def read(self, most: int = CHUNK) -> bytes:
        return self._socket.recv(most)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        super().close()


class _Tls(Connection):
    """OpenSSL does one thing at a time for a connection, so nothing waits inside of it."""

    def __init__(self, given: ssl.SSLSocket) -> None:
        super().__init__(given)
        given.settimeout(0)
        self._lock = threading.Lock()
        self._ended = False

    def read(self, most: int = CHUNK) -> bytes:
        try:
            return self._when_ready(lambda: b"" if self._ended else self._given.recv(most))
        except ssl.SSLZeroReturnError:  # both sides have said that they end
            return b""

    def send(self, data: bytes) -> None:
        while data:
            data = data[self._when_ready(partial(self._given.send, data)) :]

    def end(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # the notice is sent, and that of the other side not there yet
            self._given.unwrap()
            self._ended = True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._given.shutdown(socket.SHUT_RDWR)
        self._given.close()
        super().close()

    def _when_ready(self, act: Callable[[], T]) -> T:
        while True:
            try:
                with self._lock:
                    return act()
            except ssl.SSLWantReadError:
                select.select([self._given], [], [])
            except ssl.SSLWantWriteError:
                select.select([], [self._given], [])


class _Ssh(Connection):
    """A process of ssh that the client has started."""

    def read(self, most: int = CHUNK) -> bytes:
        return bytes(self._given.proc.stdout.read1(most))

    def send(self, data: bytes) -> None:
        self._given.sendall(data)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._given.proc.stdin.close()

    def close(self) -> None:
        self.end()
        self._given.proc.terminate()
        self._given.proc.wait()
        socket.socket.close(self._given)  # its own would write to the process
        super().close()

"""HTTP by uvicorn, with what it leaves open: heads of requests that never end, and the reason in a status line."""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle, Transport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PATIENCE = 60.0
"""Seconds that the head of a request may take, or that a connection may be idle."""

_LARGEST_HEAD = 64 << 10  # bytes


class Protocol(HttpToolsProtocol):
    """One connection."""

    _waiting: TimerHandle | None = None
    _begun = True  # a head is not complete
    _head = 0  # bytes of it so far

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_free() and (answer := self.app.ready(data, self.server_state.default_headers)):
            self._stop_waiting()
            self.transport.write(answer)
            self.on_response_complete()
            return
        if self._begun and self._head > _LARGEST_HEAD:
            self.send_400_response(f"The head of a request has at most {_LARGEST_HEAD} bytes.\n")
            return
        super().data_received(data)
        if self._begun:  # seldom: most heads come in one piece
            self._head += len(data)
            self._wait()
        elif self._waiting:
            self._stop_waiting()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._begun = False
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["method"] == "POST":
            cycle.transport = cast("Transport", _Worded(cycle.transport, cycle.scope["state"]))
        super()._start_asgi_task(cycle, app)

    def _is_free(self) -> bool:
        """Whether nothing was asked, in whole or in part, that has no answer yet, and one can be written now."""
        last: RequestResponseCycle | None = self.cycle
        done = not self._begun and last.response_complete and not last.more_body if last else not self._head
        return done and not self.flow.write_paused and not self.transport.is_closing()

    def _wait(self) -> None:
        """From the first byte of a head on; and from the connection on."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(PATIENCE, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Worded:
    """A transport that puts the ``reason`` of a request's state in place of the standard one (RFC 9112, 4).

    twine shows nothing else of a refusal, and ASGI has no word for it.
    """

    def __init__(self, transport: asyncio.Transport, state: dict[str, Any]) -> None:
        self._transport = transport
        self._state = state

    def write(self, data: bytes) -> None:
        if (reason := self._state.pop("reason", "")) and data.startswith(b"HTTP/1.1 "):
            line, end, rest = data.partition(b"\r\n")
            data = line[: len("HTTP/1.1 400 ")] + reason.encode("ascii", "replace") + end + rest
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

"""HTTP to the outside: credentials, retries, and errors that name the place and not the password."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar

from buildfarm.adapters.pip_config import PipConfig
from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.model.url import redacted

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_PAUSES = (0.5, 2.0)  # seconds between tries


@contextmanager
def open_upstream(config: PipConfig) -> Iterator[Upstream]:
    """An ``Upstream`` with the certificates, trusted hosts and credentials of pip's configuration.

    It connects when it is first asked: whoever has nothing to fetch does not wait for an HTTP client.
    """
    upstream = Upstream(lambda: _connect(config))
    try:
        yield upstream
    finally:
        upstream.close()


def _connect(config: PipConfig) -> httpx.Client:
    from buildfarm.adapters import http_client

    return http_client.open_client(config)


class Upstream:
    """Asks servers, three times where it may help."""

    def __init__(self, connect: Callable[[], httpx.Client], sleep: Callable[[float], None] = time.sleep) -> None:
        self._connect = connect
        self._sleep = sleep
        self._opened: httpx.Client | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give back every connection."""
        if self._opened is not None:
            self._opened.close()

    @property
    def _client(self) -> httpx.Client:
        with self._lock:
            if self._opened is None:
                self._opened = self._connect()
            return self._opened

    def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """The answer with its body, of status 200, 304 or 404; raises ``Unavailable`` (code ``upstream``) otherwise."""

        def ask() -> httpx.Response:
            response = self._client.get(url, headers=dict(headers))
            return response if response.status_code in (304, 404) else response.raise_for_status()

        return self._persist(url, ask)

    def download(self, url: str, take: Callable[[IO[bytes]], T]) -> T:
        """What ``take`` makes of the body; it gets the body anew when the connection broke.

        Raises ``Unavailable`` (code ``upstream``), and what ``take`` raises.
        """

        def ask() -> T:
            # As it is: some servers call a .tar.gz "Content-Encoding: gzip", and it would come unpacked.
            with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
                response.raise_for_status()
                return take(io.BufferedReader(Body(response.iter_raw())))

        return self._persist(url, ask)

    def _persist(self, url: str, ask: Callable[[], T]) -> T:
        import httpx

        pauses = iter(_PAUSES)
        while True:
            try:
                return ask()
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                passing, why = status >= 500 or status == 429, f"{status} {error.response.reason_phrase}".strip()
            except (httpx.RequestError, httpx.InvalidURL) as error:
                passing, why = isinstance(error, httpx.TransportError), str(error) or type(error).__name__
            pause = next(pauses, None)
            if pause is None or not passing:
                raise _unavailable(url, why)
            self._sleep(pause)


class Body(io.RawIOBase):
    """The chunks of a response as a readable stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _unavailable(url: str, why: str) -> Unavailable:
    return Unavailable(
        Reason(
            code="upstream",
            message=f"could not get {redacted(url)}: {why}",
            advice="check index-url, cert and proxy in pip's configuration on the coordinator (`pip config list`)",
        )
    )

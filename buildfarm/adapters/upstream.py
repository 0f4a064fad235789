"""HTTP to the outside: credentials, retries, and errors that name the place and not the password."""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from buildfarm.adapters.pip_config import PipConfig, redacted
from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason

T = TypeVar("T")

_PAUSES = (0.5, 2.0)  # seconds between tries


@contextmanager
def open_upstream(config: PipConfig) -> Iterator[Upstream]:
    """An ``Upstream`` with the certificates, trusted hosts and credentials of pip's configuration."""
    verify = ssl.create_default_context(cafile=config.cert) if config.cert else True
    with httpx.Client(
        verify=verify,
        auth=Credentials((config.index_url, *config.extra_index_urls, *config.find_links)),
        mounts={f"https://{host}": httpx.HTTPTransport(verify=False) for host in config.trusted_hosts},
        follow_redirects=True,
        timeout=httpx.Timeout(30.0, connect=10.0),
    ) as client:
        yield Upstream(client)


class Upstream:
    """Asks servers, three times where it may help."""

    def __init__(self, client: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

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
                return take(io.BufferedReader(_Body(response.iter_raw())))

        return self._persist(url, ask)

    def _persist(self, url: str, ask: Callable[[], T]) -> T:
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


class Credentials(httpx.Auth):
    """Basic authentication for the hosts whose URLs came with a user and password, and for nobody else."""

    def __init__(self, urls: tuple[str, ...]) -> None:
        self._known = {
            (parts.hostname, parts.port): httpx.BasicAuth(unquote(parts.username), unquote(parts.password or ""))
            for parts in map(urlsplit, urls)
            if parts.username
        }

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header where it is due."""
        if known := self._known.get((request.url.host, request.url.port)):
            yield from known.auth_flow(request)
        else:
            yield request


def bare(url: str) -> str:
    """The URL without user and password, as it is asked, kept and recorded; ``Credentials`` adds them on the way."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _Body(io.RawIOBase):
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

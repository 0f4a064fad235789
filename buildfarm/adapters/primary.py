"""The server that a replica follows, over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import IO, TypeVar
from urllib.parse import quote

import httpx

from buildfarm.adapters.sql import plain
from buildfarm.adapters.upstream import Body
from buildfarm.model.canonical import from_plain
from buildfarm.model.errors import FarmError
from buildfarm.model.events import IndexEvent
from buildfarm.model.standing import Changes, Standing

T = TypeVar("T")

_REMEDIES = {
    401: "it wants a token that may read every index: --token-env VAR",
    403: "the token must be one that may read every index",
    404: "is it the URL of a `buildfarm serve`, without any path?",
}


class HttpPrimary:
    """``ports.Primary``. The client has the credentials; ``url`` has none, and no slash at its end."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client

    @property
    def url(self) -> str:
        """See ``ports.Primary``."""
        return self._url

    def changes(self, since: int) -> Changes:
        """See ``ports.Primary``."""
        url = f"{self.url}/+api/v1/changes?since={since}"
        try:
            answer = self._client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FarmError(f"{url}: {str(error) or type(error).__name__}; does the primary run?") from error
        self._refuse(url, answer)
        try:
            standing, *events = map(json.loads, answer.text.splitlines())
            return Changes(standing=from_plain(Standing, standing), events=tuple(map(read_event, events)))
        except (ValueError, KeyError, TypeError) as error:
            raise FarmError(f"{url} is not understood ({error!r}): have both the same version of buildfarm?") from error

    def fetch(self, path: str, take: Callable[[IO[bytes]], T]) -> T | None:
        """See ``ports.Primary``."""
        url = f"{self.url}/{quote(path, safe='/+')}"
        try:
            # As it is: a .tar.gz that is called "Content-Encoding: gzip" would come unpacked.
            with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status_code in (404, 410):
                    return None
                self._refuse(url, answer)
                return take(io.BufferedReader(Body(answer.iter_raw())))
        except httpx.HTTPError as error:
            raise FarmError(f"{url}: {str(error) or type(error).__name__}; the next try goes on from here") from error

    def _refuse(self, url: str, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            remedy = _REMEDIES.get(answer.status_code, "look into the log of the primary")
            raise FarmError(f"{url}: {answer.status_code} {answer.reason_phrase}; {remedy}")


def written_event(event: IndexEvent) -> str:
    """An event as a line of JSON."""
    return json.dumps(
        {
            "serial": event.serial,
            "index": event.index,
            "payload": plain.tagged(event.payload),
            "who": event.who,
            "at": event.at,
        }
    )


def read_event(line: dict[str, object]) -> IndexEvent:
    """The event of such a line; raises ``KeyError`` or ``TypeError`` for another shape."""
    return IndexEvent(**{**line, "payload": plain.payload(line["payload"])})  # type: ignore[arg-type]  # any shape may come

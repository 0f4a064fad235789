"""An index elsewhere, spoken to with somebody's credentials, which go there and nowhere else."""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import responses
from typing import IO, Any
from urllib.parse import urlsplit

import httpx

from buildfarm.adapters.http_client import open_client
from buildfarm.adapters.pip_config import PipConfig, bare
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.url import redacted

_TAGS = re.compile(r"<(style|script|title)\b.*?</\1>|<[^>]*>", re.DOTALL)
_LONGEST = 300  # characters of what a server says


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user with a password, or ``__token__`` with a token."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The two as Basic authentication has them (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Peer:
    """A server at a URL, over HTTP. Whoever opened it closes it.

    What it refuses is raised as ``Refused`` with what it said, 409 where it has the file with other bytes; that it
    cannot be reached, or fails, as ``FarmError``.
    """

    def __init__(self, url: str, config: PipConfig) -> None:
        self._url = bare(url)
        self._auth = _OnlyThere(url, {})
        self._client = open_client(config)

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return self._url

    def close(self) -> None:
        """Give back every connection."""
        self._client.close()

    def allow(self, headers: Mapping[str, str]) -> None:
        """Send these headers from now on."""
        self._auth = _OnlyThere(self._url, headers)

    def get(self, url: str, accept: str) -> httpx.Response | None:
        """What is there; None for 404."""
        response = self._ask("GET", url, headers={"Accept": accept}, follow_redirects=True)
        return None if response.status_code == 404 else _good(response)

    def post(
        self,
        url: str,
        *,
        form: Mapping[str, str | Sequence[str]] | None = None,
        content: tuple[str, IO[bytes]] | None = None,
        json: Any = None,
    ) -> httpx.Response:
        """Send a form, with a file in its field ``content``, or a JSON document. A redirect is refused: it would lose
        both.
        """
        files = {"content": (*content, "application/octet-stream")} if content else None
        return _good(self._ask("POST", url, data=form, files=files, json=json, follow_redirects=False))

    def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, auth=self._auth, **more)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise FarmError(
                f"could not reach {redacted(url)}: {str(error) or type(error).__name__}; is it up?"
            ) from error


class _OnlyThere(httpx.Auth):
    """Headers for one server, and none for where it redirects to."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._place = (parts.scheme, parts.hostname, parts.port)
        self._headers = dict(headers)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add them where they are due."""
        if (request.url.scheme, request.url.host, request.url.port) == self._place:
            request.headers.update(self._headers)
        yield request


def _good(response: httpx.Response) -> httpx.Response:
    status = response.status_code
    if response.is_success:
        return response
    place, said = redacted(str(response.request.url)), _said(response)
    if response.is_redirect:
        raise Refused(f"{place} is elsewhere: {redacted(response.headers.get('Location', ''))}; use that URL")
    if status in (401, 403):
        raise Refused(f"{place} does not allow it: {said}; give the credentials of somebody who may", status=403)
    if status == 409 or (status == 400 and re.search("already (exists|present)", said, re.IGNORECASE)):
        raise Refused(f"{place} has the file with other bytes: {said}", status=409)
    if status < 500:
        raise Refused(f"{place} refuses it: {said}", status=status)
    raise FarmError(f"{place} failed: {said}; look at its log, then repeat the call")


def _said(response: httpx.Response) -> str:
    """The status, and what else an answer says: in its status line, as devpi, or in its body."""
    line = f"{response.status_code} {response.reason_phrase}".strip()
    if response.reason_phrase not in ("", responses.get(response.status_code)):
        return line
    plain = "json" in response.headers.get("Content-Type", "")
    body = response.text if plain else _TAGS.sub(" ", response.text)
    more = " ".join(body.split())[:_LONGEST]
    return f"{line}: {more}" if more else line

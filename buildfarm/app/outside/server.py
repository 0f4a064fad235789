"""A server that is asked, and what was observed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

import httpx

from buildfarm.model.errors import FarmError

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that was looked at: what was seen; and, where it is not ``ok``, what follows and what to do."""

    name: str
    ok: bool
    seen: str
    follows: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The pages of one index, ``root`` ending in ``/simple/``, of which ``project`` is looked at more closely."""

    client: httpx.Client
    root: str
    wanted: str = ""
    _asked: dict[str, httpx.Response] = field(default_factory=dict)

    def get(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        """The answer, whatever its status; a redirect is one too. ``FarmError`` where there is none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            return self.client.request(method, url, headers=named, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FarmError(
                f"{url}: {str(error) or type(error).__name__}; does the server run, is its CA known?"
            ) from error

    @cached_property
    def project(self) -> str:
        """The project that was asked for, or the first of the list; empty where there is none."""
        if self.wanted:
            return self.wanted
        answer = self.get(self.root, accept=f"{JSON}, {HTML};q=0.1")
        if answer.status_code != 200:
            raise FarmError(
                f"{self.root}: {answer.status_code} {answer.reason_phrase}; name an index, such as URL/main, and, "
                "where it is private, the variable of a token: --token-env"
            )
        names = [str(each.get("name", "")) for each in _listed(answer, "projects")]
        return names[0] if names else ""

    @property
    def url(self) -> str:
        """The page of the project."""
        return f"{self.root}{self.project}/"

    @cached_property
    def json(self) -> httpx.Response:
        """That page, asked for as JSON, without compression."""
        return self.get(self.url, accept=JSON, accept_encoding="identity")

    @cached_property
    def html(self) -> httpx.Response:
        """The same as HTML."""
        return self.get(self.url, accept=HTML, accept_encoding="identity")

    @cached_property
    def files(self) -> tuple[Mapping[str, Any], ...]:
        """Its files by the JSON page, wheels before others, the smallest first; none where there is no such page."""
        return tuple(sorted(_listed(self.json, "files"), key=lambda file: (not is_wheel(file), file.get("size") or 0)))

    @cached_property
    def file(self) -> httpx.Response:
        """The smallest of them, whole."""
        return self.get(self.address(self.files[0]), accept_encoding="identity")

    def address(self, file: Mapping[str, Any]) -> str:
        """The URL of a file."""
        return urljoin(self.url, str(file.get("url", "")))


def is_wheel(file: Mapping[str, Any]) -> bool:
    """Whether a file of a JSON page is one, by its name."""
    return str(file.get("filename", "")).endswith(".whl")


def _listed(answer: httpx.Response, what: str) -> list[dict[str, Any]]:
    try:
        listed = answer.json()[what]
    except (ValueError, KeyError, TypeError):
        return []
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []

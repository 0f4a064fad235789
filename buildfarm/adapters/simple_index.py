"""A simple repository, read: JSON (PEP 691) or HTML (PEP 503), whichever the server gives."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import canonicalize_name

from buildfarm.adapters import durable
from buildfarm.adapters.pip_config import bare
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.errors import Unavailable
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason

T = TypeVar("T")

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_FRESH = 600.0  # seconds: the longest that a page is believed without asking again, whatever the server says
_SHA256 = re.compile(r"sha256=([0-9a-f]{64})")
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d+)")


_UNSAID = 60.0  # seconds that a page is believed whose server says nothing of it


class SimpleIndex:
    """One index, or one page of links, with a cache of its pages in a folder (``now`` in seconds)."""

    def __init__(self, url: str, upstream: Upstream, cache: Path, now: Callable[[], float] = time.time) -> None:
        self._url = bare(url).rstrip("/")
        self._upstream = upstream
        self._cache = cache
        self._now = now

    def offers(self, project: str) -> tuple[Offer, ...]:
        """All files of a project; empty when the index does not know it. Raises ``Unavailable`` (code ``upstream``)."""
        return self._read(f"{self._url}/{canonicalize_name(project)}/", parse_page)

    def links(self) -> tuple[Offer, ...]:
        """All files that the page at the URL itself links to, as for ``--find-links``."""
        return self._read(self._url, parse_page)

    def projects(self) -> tuple[str, ...]:
        """Normalised names of all projects, by the page that lists them."""
        return self._read(f"{self._url}/", parse_projects)

    def _read(self, url: str, parse: Callable[[bytes, str, str], tuple[T, ...]]) -> tuple[T, ...]:
        path = self._cache / f"{hashlib.sha256(url.encode()).hexdigest()}.page"
        head, body = _kept(path)
        if head and self._now() < head["until"]:
            return parse(body, head["type"], head["url"])
        conditions = {name: head[key] for name, key in _CONDITIONS.items() if head.get(key)}
        response = self._upstream.get(url, {"Accept": ACCEPT, **conditions})
        if response.status_code == 404:
            return ()
        if response.status_code == 200:
            body = response.content
            head = {"url": bare(str(response.url)), "type": response.headers.get("Content-Type", "")}
        found = parse(body, head["type"], head["url"])
        head["until"] = self._now() + min(_FRESH, _max_age(response.headers.get("Cache-Control", "")))
        for header, key in _VALIDATORS.items():
            head[key] = response.headers.get(header) or head.get(key, "")
        durable.make_folder(self._cache)
        with durable.aside(self._cache) as (temporary, file):
            file.write(json.dumps(head).encode() + b"\n" + body)
            file.flush()
            temporary.replace(path)
        return found


_VALIDATORS = {"ETag": "etag", "Last-Modified": "modified"}
_CONDITIONS = {"If-None-Match": "etag", "If-Modified-Since": "modified"}


def parse_page(content: bytes, content_type: str, url: str) -> tuple[Offer, ...]:
    """The files of a project's page, in its order.

    Relative links are resolved against ``url``. A page is JSON when it says so or looks so: some proxies answer HTML
    where JSON was asked for, some name no type. Raises ``Unavailable`` (code ``upstream``) for JSON that is no page.
    """
    if _is_json(content, content_type):
        return _parse_json(content, url, "files", lambda file: _offer(file, url))
    links = (_offer_of(link) for link in anchors(content, url))
    return tuple(offer for offer in links if offer.filename)


def parse_projects(content: bytes, content_type: str, url: str) -> tuple[str, ...]:
    """Normalised names of the projects on the page that lists them, in its order. Raises as ``parse_page`` does."""
    if _is_json(content, content_type):
        return _parse_json(content, url, "projects", lambda project: canonicalize_name(project["name"]))
    base = urlsplit(url).path.rstrip("/") + "/"
    paths = (urlsplit(link.url).path for link in anchors(content, url))
    names = (unquote(path.removeprefix(base)).rstrip("/") for path in paths if path.startswith(base))
    return tuple(dict.fromkeys(canonicalize_name(name) for name in names if re.fullmatch(r"[\w.-]+", name, re.ASCII)))


def _is_json(content: bytes, content_type: str) -> bool:
    return "json" in content_type or content.lstrip()[:1] == b"{"


def _parse_json(content: bytes, url: str, key: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    try:
        page = json.loads(content)
        if str(page["meta"]["api-version"]).partition(".")[0] != "1":
            raise ValueError(f"its API version is {page['meta']['api-version']}")
        return tuple(read(each) for each in page[key])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            Reason(
                code="upstream",
                message=f"{url} is no simple page that is understood (PEP 691): {error!r}",
                advice="look at the page; is the URL that of a simple index, ending in /simple?",
            )
        ) from error


def _offer(file: Any, url: str) -> Offer:
    yanked = file.get("yanked")
    return Offer(
        filename=file["filename"],
        origin=urljoin(url, file["url"]),
        sha256=file["hashes"].get("sha256", ""),
        size=file.get("size") or 0,
        requires_python=file.get("requires-python") or "",
        yanked=bool(yanked),
        yank_reason=yanked if isinstance(yanked, str) else "",
        uploaded=file.get("upload-time") or "",
    )


@dataclass(frozen=True, slots=True)
class Link:
    """An ``<a>`` of a page: where it leads, without the fragment, and its attributes."""

    url: str
    fragment: str
    attributes: Mapping[str, str | None]

    @property
    def filename(self) -> str:
        """The last part of its path; empty where it leads to a folder."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


def anchors(content: bytes, url: str) -> tuple[Link, ...]:
    """The links of an HTML page at that URL, which need not be sorted, valid, or about files only."""
    parser = _Anchors(url)
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    return tuple(parser.links)


class _Anchors(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._base = url
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        try:
            address = urljoin(self._base, values.get("href") or "")
            urlsplit(address)
        except ValueError:  # such as an address of IPv6 without its bracket
            return
        if tag == "base":
            self._base = address
        elif tag == "a" and values.get("href"):
            self.links.append(Link(*urldefrag(address), values))


def _offer_of(link: Link) -> Offer:
    digest = _SHA256.search(link.fragment)
    return Offer(
        filename=link.filename,
        origin=link.url,
        sha256=digest[1] if digest else "",
        requires_python=link.attributes.get("data-requires-python") or "",
        yanked="data-yanked" in link.attributes,
        yank_reason=link.attributes.get("data-yanked") or "",
    )


def _kept(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        line, _, body = path.read_bytes().partition(b"\n")
        head: dict[str, Any] = json.loads(line)
    except (FileNotFoundError, ValueError):
        return {}, b""
    return head, body


def _max_age(cache_control: str) -> float:
    if "no-cache" in cache_control or "no-store" in cache_control:
        return 0.0
    match = _MAX_AGE.search(cache_control)
    return float(match[1]) if match else _UNSAID

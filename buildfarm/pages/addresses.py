"""Addresses of an index server, and what a request asks of them: pages, files, forms, parts of files.

The simple repository API: PEP 503 (names), 691 (content negotiation). What is not a page or a file of an index has no
address here, so neither has a dot file, a temporary file or a way out of the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from packaging.utils import canonicalize_name

HTML = "text/html"
FORMS = {
    HTML: "index.html",
    "application/vnd.pypi.simple.v1+json": "index.json",
    "application/vnd.pypi.simple.v1+html": "index.html",
}
"""What a page can be had as, best first, and the file that it is."""

_SEGMENT = "(?!simple/)[a-z0-9][a-z0-9._-]*"
_INDEX = f"(?P<index>{_SEGMENT}(?:/{_SEGMENT})?)"
_PAGE = re.compile(f"/{_INDEX}/simple(?:/(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))?/?")
_FILE = re.compile(rf"/{_INDEX}/\+f/(?P<sha256>[0-9a-f]{{64}})/[A-Za-z0-9_][A-Za-z0-9_.+!-]*")
_RANGE = re.compile(r"bytes=(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<suffix>[0-9]{1,18}))")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of a project, or of the whole index when ``project`` is empty; its name is normalised (PEP 503)."""

    index: str
    project: str = ""

    def __str__(self) -> str:
        return f"/{self.index}/simple/{self.project and f'{self.project}/'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A distribution, or the metadata beside one. ``sha256`` is the distribution's: it determines the bytes of both."""

    path: str
    sha256: str


def locate(path: str) -> Page | File | None:
    """What the path of a URL stands for, however its project is spelt; None for what is no address of ours."""
    if "%2f" in path.lower():  # an encoded slash separates nothing
        return None
    path = unquote(path)
    if match := _PAGE.fullmatch(path):
        return Page(index=match["index"], project=canonicalize_name(match["project"] or ""))
    if match := _FILE.fullmatch(path):
        return File(path=path, sha256=match["sha256"])
    return None


def negotiate(accept: str) -> str | None:
    """The media type to answer an ``Accept`` header with (RFC 9110, 12.5.1; PEP 691); None when it admits none of ours.

    Of equally wanted types the one that was named most precisely wins, then ours first: HTML for ``*/*``.
    """
    wanted: dict[str, float] = {}
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.replace(".latest+", ".v1+").split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        if _QUALITY.fullmatch(quality):  # else it is as good as absent
            wanted[media] = max(float(quality), wanted.get(media, 0))
    offers = []
    for preference, media in enumerate(FORMS):
        ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
        precision = max((number for number, each in enumerate(ranges) if each in wanted), default=0)
        offers.append((wanted.get(ranges[precision], 0), precision, -preference, media))
    best_quality, *_, best = max(offers)
    return best if best_quality else None


def part_of(size: int, asked: str) -> tuple[int, range]:
    """Status and bytes of the answer to a ``Range`` header about a file of that size (RFC 9110, 14.2).

    206 and a part; 416 and nothing when there is no such part; 200 and all when it asks for several or cannot be read.
    """
    match = _RANGE.fullmatch(asked.strip())
    if match is None or (match["last"] and int(match["last"]) < int(match["first"])):
        return 200, range(size)
    if match["suffix"]:
        part = range(max(0, size - int(match["suffix"])), size)
    else:
        part = range(int(match["first"]), min(size, int(match["last"] or size) + 1))
    return (206, part) if part else (416, part)

"""Addresses of an index server, and what a request asks of them: pages, files, forms, parts of files.

The simple repository API: PEP 503 (names), 691 (content negotiation). What is not a page or a file of an index has no
address here, so neither has a dot file, a temporary file or a way out of the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from buildfarm.model.index import NAME, PENDING

HTML = "text/html"
FORMS = {
    HTML: "index.html",
    "application/vnd.pypi.simple.v1+json": "index.json",
    "application/vnd.pypi.simple.v1+html": "index.html",
}
"""What a page can be had as, best first, and the file that it is."""

SERIAL = "+serial"
"""The file at the root of a tree that says up to which event the pages of all projects are there: a number, a line."""

_INDEX = rf"(?P<index>{NAME}(?:/{re.escape(PENDING)})?)"
_PAGE = re.compile(f"/{_INDEX}/simple(?:/(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))?/?")
_NAME = "[A-Za-z0-9_][A-Za-z0-9_.+!-]*"
_FILE = re.compile(rf"/{_INDEX}/\+f/(?P<sha256>[0-9a-f]{{64}})/{_NAME}")
_UPLOADS = re.compile(f"/{_INDEX}/?")
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
    """A distribution of an index, or the metadata beside one. ``sha256`` is the distribution's: it determines the bytes
    of both.
    """

    index: str
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
        return File(index=match["index"], path=path, sha256=match["sha256"])
    return None


def uploads_to(path: str) -> str | None:
    """The index to which the path of a URL takes uploads; None where it is no such path."""
    match = _UPLOADS.fullmatch(unquote(path))
    return match["index"] if match else None


def is_file_name(name: str) -> bool:
    """Whether a file of that name can have an address."""
    return re.fullmatch(_NAME, name) is not None


def negotiate(accept: str) -> str | None:
    """The media type to answer an ``Accept`` header with (RFC 9110, 12.5.1; PEP 691); None when it admits none of ours.

    Of equally wanted types the one that was named most precisely wins, then ours first: HTML for ``*/*``.
    """
    wanted = _wanted(accept.lower().replace(".latest+", ".v1+"))
    offers = []
    for preference, media in enumerate(FORMS):
        ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
        precision = max((number for number, each in enumerate(ranges) if each in wanted), default=0)
        offers.append((wanted.get(ranges[precision], 0), precision, -preference, media))
    best_quality, *_, best = max(offers)
    return best if best_quality else None


def admits_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header admits gzip (RFC 9110, 12.5.3)."""
    wanted = _wanted(accept_encoding)
    return any(wanted[each] > 0 for each in ("gzip", "x-gzip", "*") if each in wanted) and wanted.get("gzip", 1) > 0


def is_known(tag: str, known: str) -> bool:
    """Whether ``If-None-Match`` names the tag, compared weakly (RFC 9110, 13.1.2)."""
    return any(each.strip().removeprefix("W/") in ("*", tag) for each in known.split(","))


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


def _wanted(header: str) -> dict[str, float]:
    """What a header of the Accept family names, with the quality of each; what cannot be read is as good as absent."""
    wanted: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        if _QUALITY.fullmatch(quality):
            wanted[name] = max(float(quality), wanted.get(name, 0))
    return wanted

"""Pages of the tree, answered from memory for as long as the file on disk is the one that was read.

The simple repository API: PEP 503 (redirects), 691 (content negotiation). Conditional requests: RFC 9110, 13.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from buildfarm.app.server.exchange import REVALIDATE, Answer, Exchange, Header, Request
from buildfarm.model.errors import FarmError
from buildfarm.model.index import awaited
from buildfarm.pages import addresses
from buildfarm.pages.addresses import HTML, Page

HTML_UTF8 = f"{HTML}; charset=utf-8"
_ROOM = 64 << 20  # bytes of pages that are kept in memory
PRIVATE: Header = (REVALIDATE[0], b"private, " + REVALIDATE[1])
_VARY: Header = (b"vary", b"Accept, Accept-Encoding")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page in memory: which file it is (its inode, time and size), its tag, what is said of it, its bytes."""

    which: tuple[int, int, int]
    tag: str
    headers: tuple[Header, ...]
    content: bytes


class Pages:
    """Answers with pages of the tree ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._size = 0
        self._negotiate = lru_cache(maxsize=256)(addresses.negotiate)
        self._admits_gzip = lru_cache(maxsize=256)(addresses.admits_gzip)

    def ready(self, request: Request, page: Page, *, private: bool) -> Answer | None:
        """The page in the form that is wanted; None where there is another thing to say. ``private`` ones are kept by
        nobody between.
        """
        address = str(page)
        media = self._negotiate(request.field(b"accept") or "*/*")
        if media is None or request.path != address:
            return None
        kept = None
        if self._admits_gzip(request.field(b"accept-encoding")):
            kept = self._find(f"{address}{addresses.FORMS[media]}.gz", media)
        kept = kept or self._find(f"{address}{addresses.FORMS[media]}", media)
        if kept is None:
            return None
        headers = (*kept.headers, PRIVATE if private else REVALIDATE)
        if request.knows(kept.tag):
            return Answer(304, tuple(each for each in headers if not each[0].startswith(b"content-")))
        return Answer(200, headers, kept.content)

    async def answer(self, exchange: Exchange, page: Page, *, private: bool) -> None:
        """The page, or why it cannot be had so."""
        if found := self.ready(exchange, page, private=private):
            await exchange.answer(found.status, found.headers, found.body)
            return
        address = str(page)
        if exchange.path != address:
            location = f"{address}{exchange.query}".encode("latin-1")
            await exchange.say(301, f"This page is at {address}.", (b"location", location))
        elif self._negotiate(exchange.field(b"accept") or "*/*") is None:
            await exchange.say(406, f"Let Accept name one of {', '.join(addresses.FORMS)}.", _VARY)
        elif page.project and (index := awaited(page.index)):
            there = f"/{index}/simple/{page.project}/"
            await exchange.say(302, f"Nothing of it waits; what there is is at {there}.", (b"location", there.encode()))
        else:
            await say_absent(exchange, page)

    def _find(self, path: str, media: str) -> _Kept | None:
        """The page that is there now; None where there is none."""
        try:
            found = os.stat(f"{self._folder}{path}")  # noqa: PTH116 - a Path costs more than the question
        except (OSError, ValueError):
            return None
        key, which = (path, media), (found.st_ino, found.st_mtime_ns, found.st_size)
        kept = self._kept.get(key)
        if kept is not None and kept.which == which:
            self._kept.move_to_end(key)
            return kept
        file = opened(self._folder, path)
        if file is None:
            return None
        with file:
            content = file.read()
        kept = _Kept(which, *_described(content, path, media), content)
        self._keep(key, kept)
        return kept

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        if old := self._kept.pop(key, None):
            self._size -= len(old.content)
        self._kept[key] = kept
        self._size += len(kept.content)
        while self._size > _ROOM:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.content)


async def say_absent(exchange: Exchange, page: Page) -> None:
    """Answer that there is no such page."""
    if index := awaited(page.index):
        await exchange.say(404, f"There is no {page} now: nothing waits for {index}, or it has only just come.", _VARY)
        return
    remedy = f"`buildfarm build {page.project or 'NAME'} --index {page.index}` publishes there"
    await exchange.say(404, f"There is no {page} yet: {remedy}, and / lists the indexes.", _VARY)


def _described(content: bytes, path: str, media: str) -> tuple[str, tuple[Header, ...]]:
    """The tag of a page, and its headers. Two media types share the bytes of one form."""
    tag = f'"{sha256(media.encode() + content).hexdigest()}"'
    encoding = [(b"content-encoding", b"gzip")] if path.endswith(".gz") else []
    said = (HTML_UTF8 if media == HTML else media).encode()
    return tag, ((b"content-type", said), *encoding, (b"etag", tag.encode()), _VARY)


def opened(folder: Path, path: str) -> BinaryIO | None:
    """A regular file of a tree, open for reading; None where there is none. Links that leave the tree lead nowhere."""
    try:
        real = Path(os.path.realpath(f"{folder}{path}"))
        inside = real.is_relative_to(os.path.realpath(folder))
        return real.open("rb", buffering=0) if inside and real.is_file() else None
    except PermissionError as error:
        advice = "serve as the user who owns the tree"
        raise FarmError(f"could not read {path} in the tree: {error.strerror}; {advice}") from error
    except (OSError, ValueError):  # gone in this moment, or a name that no file can have
        return None

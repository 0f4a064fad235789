"""A proxy before an index: a project that it lacks, and whose name is nobody's here, is answered from elsewhere.

No index does that. Whoever wants it runs this beside the server, at an address of its own: no page leads to it, and
each name that fell through is reported, so that somebody can admit it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from buildfarm.adapters.elsewhere import Elsewhere, Passed
from buildfarm.app.server.asgi import App
from buildfarm.app.server.exchange import REVALIDATE, Answer, Exchange, Header, Message, Receive, Request, Send
from buildfarm.app.server.pages import HTML_UTF8, PRIVATE, opened
from buildfarm.app.server.serving import Serving
from buildfarm.farm.names import owners, reserving
from buildfarm.model.errors import FarmError
from buildfarm.pages.addresses import FORMS, HTML, SERIAL, File, Page, locate, negotiate
from buildfarm.pages.passed import absolute, marked

_VARY: Header = (b"vary", b"Accept")
_STRANGE: Header = (b"content-security-policy", b"sandbox; default-src 'none'")  # a page of strangers, in a browser
_ALSO = frozenset({f"/{SERIAL}", "/+health"})


class Proxy:
    """Answers about one index: ``app`` for what is here, ``elsewhere`` for the rest. It takes no uploads."""

    def __init__(
        self, app: App, serving: Serving, index: str, elsewhere: Elsewhere, heard: Callable[[str], None] | None = None
    ) -> None:
        self._app = app
        self._serving = serving
        self._index = index
        self._elsewhere = elsewhere
        self._heard = heard
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="elsewhere")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection's request, or the life of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._heard)
        place = locate(exchange.path)
        if exchange.method not in ("GET", "HEAD"):
            sentence = "This is a proxy, which only reads: uploads go to the server of the index itself."
            await exchange.say(405, sentence, (b"allow", b"GET, HEAD"))
        elif isinstance(place, File) or exchange.path in _ALSO:
            await self._app(scope, receive, send)
        elif not isinstance(place, Page) or place.index != self._index:
            await exchange.say(404, f"This is a proxy of {self._index} alone: its pages are at /{self._index}/simple/.")
        else:
            await self._answer(exchange, place, send)

    def ready(self, _data: bytes, _others: Iterable[Header], /) -> None:
        """No answer is at hand: see ``App.ready``."""

    async def _answer(self, exchange: Exchange, page: Page, send: Send) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._pool, self._found, exchange, page)
        except FarmError as error:
            self._serving.report(f"could not answer {exchange.method} {exchange.path}: {error}")
            await exchange.say(502, f"{self._index} lacks {page.project}, and who else may have it cannot be told now.")
            return
        if found is None:
            await self._app(exchange.scope, exchange.receive, send)
        elif found.status == 404:
            sentence = f"{self._index} has no {page.project}, nor may it come from elsewhere."
            await exchange.say(404, sentence, *found.headers)
        else:
            await exchange.answer(found.status, found.headers, found.body)

    def _found(self, request: Request, page: Page) -> Answer | None:
        """The answer; None where it is the index's own to give, or to refuse. May wait for others."""
        media = negotiate(request.field(b"accept") or "*/*")
        reader = self._serving.access.reader(request.field(b"authorization"))
        if media is None or request.path != str(page) or not reader.may_read(self._index):
            return None
        fresh = PRIVATE if reader.indexes.private(self._index) else REVALIDATE
        file = opened(self._serving.settings.tree, f"{page}{FORMS[media]}")
        if file is None:
            return self._fallen_through(request, page.project, fresh) if page.project else None
        with file:
            if page.project:
                return None
            said = marked(file.read(), media, self._elsewhere.urls)
        kind = HTML_UTF8 if media == HTML else media
        return Answer(200, ((b"content-type", kind.encode()), _VARY, fresh), said)

    def _fallen_through(self, request: Request, project: str, fresh: Header) -> Answer:
        events = self._serving.ledger.events
        ours = [f"{index} reserves {glob!r}" for index, glob in reserving(events, project)]
        ours += [f"it is {owner.name}'s own" for owner in owners(events, project)]
        if ours:
            self._serving.report(f"{project} was not asked for elsewhere: {'; '.join(ours)}")
            return Answer(404, (_VARY, fresh))
        accept, known = request.field(b"accept") or "*/*", request.field(b"if-none-match")
        found = self._elsewhere.page(project, accept, known)
        if found is None:
            return Answer(404, (_VARY, fresh))
        answer = _passed_on(found)
        advice = f"`buildfarm admit {project}==VERSION --index MIRROR` lets in what was looked at"
        self._serving.report(f"{project} fell through to {found.url}; {advice}")
        return answer._replace(headers=(*answer.headers, _VARY, _STRANGE, fresh))


def _passed_on(page: Passed) -> Answer:
    """The page with links that lead there from here; raises ``FarmError`` for what is no page."""
    said: tuple[Header, ...] = ((b"x-buildfarm-fell-through-to", page.url.encode("ascii", "replace")),)
    said += ((b"etag", page.tag.encode("ascii", "replace")),) if page.tag else ()
    if page.content is None:
        return Answer(304, said)
    media = page.kind.partition(";")[0].strip().lower()
    if media not in FORMS:
        raise FarmError(f"{page.url} is no simple page, but {media or 'of no type'}")
    try:
        content = absolute(page.content, media, page.url)
    except ValueError as error:
        raise FarmError(f"{page.url}: {error}") from error
    return Answer(200, ((b"content-type", page.kind.encode("ascii", "replace")), *said), content)

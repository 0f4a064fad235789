"""The server as one ASGI application. Pages and files are answered here, before any framework; ``/+`` is FastAPI's."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from buildfarm.app.server import files, heads, pages
from buildfarm.app.server.access import CHALLENGE, Reader
from buildfarm.app.server.api import make_api
from buildfarm.app.server.exchange import Exchange, Header, Message, Receive, Send
from buildfarm.app.server.follow import Following
from buildfarm.app.server.pages import Pages
from buildfarm.app.server.serving import Serving
from buildfarm.app.server.upload import Uploads
from buildfarm.model.errors import FarmError
from buildfarm.pages.addresses import File, Page, locate, uploads_to

_LONG = 256  # characters of a path: longer ones are not remembered
_known = lru_cache(maxsize=8192)(locate)
_NOTHING = "Nothing is here: / lists the indexes, and a project is at /INDEX/simple/NAME/."


def make_app(serving: Serving, *, jobs: int = 0, heard: Callable[[str], None] | None = None) -> App:
    """The application over a home: ``jobs`` tests of uploads run at once, ``heard`` is told each request."""
    return App(serving, Following(serving, jobs), heard)


class App:
    """Answers requests about a home."""

    def __init__(self, serving: Serving, following: Following, heard: Callable[[str], None] | None) -> None:
        self._serving = serving
        self._following = following
        self._heard = heard
        self._tree = serving.settings.tree
        self._pages = Pages(self._tree)
        self._uploads = Uploads(serving)
        self._api = make_api(serving)
        self._ledger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="access")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection's request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, self._heard)
        try:
            await self._answer(exchange)
        except FarmError as error:
            self._serving.report(f"could not answer {exchange.method} {exchange.path}: {error}")
            if exchange.status:
                raise
            await exchange.say(500, "The server could not do this; its log says why.")
        except ConnectionAbortedError as error:
            self._serving.report(f"could not answer {exchange.method} {exchange.path}: {error}")
            raise
        except Exception:
            self._serving.report(f"a fault of buildfarm itself, please report it: {traceback.format_exc()}")
            if exchange.status:
                raise
            await exchange.say(500, "This is a fault of the server; its log says more.")

    def ready(self, data: bytes, others: Iterable[Header]) -> bytes | None:
        """All of the answer, with other headers, to bytes that ask for a page that is at hand; None: go the long way.

        Installers ask for little else, and that way costs three times as much: its parser, tasks and messages.
        """
        request = heads.read(data, self._heard)
        if request is None or not isinstance(place := _located(request.path), Page):
            return None
        if (reader := self._serving.access.ready(request.field(b"authorization"))) is None:
            return None
        private = reader.indexes.private(place.index)
        if private and not reader.may_read(place.index):
            return None
        try:
            answer = self._pages.ready(request, place, private=private)
        except FarmError:
            return None
        return request.written(answer, others) if answer else None

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.path.startswith("/+") or "/+doc/" in exchange.path:
            await self._ask_api(exchange)
            return
        authorization = exchange.field(b"authorization")
        access, place = self._serving.access, _located(exchange.path)
        reader = access.ready(authorization)
        if reader is None:
            reader = await self._asked(access.reader, authorization)
        if place is not None and not reader.indexes.has(place.index):
            reader = await self._asked(access.anew, authorization)
        if exchange.method in ("GET", "HEAD"):
            await self._read(exchange, place, reader)
        elif exchange.method == "POST" and (index := uploads_to(exchange.path)):
            await self._uploads.answer(exchange, index, reader)
        else:
            index = place.index if isinstance(place, Page) else "INDEX" if exchange.path == "/" else ""
            hint = f" Uploads go to /{index}/." if index else ""
            await exchange.say(405, f"{exchange.method} is not taken here.{hint}", (b"allow", b"GET, HEAD"))

    async def _asked(self, ask: Callable[[str], Reader], authorization: str) -> Reader:
        return await asyncio.get_running_loop().run_in_executor(self._ledger, ask, authorization)

    async def _read(self, exchange: Exchange, place: Page | File | None, reader: Reader) -> None:
        if isinstance(place, Page):
            if not reader.indexes.has(place.index):
                await pages.say_absent(exchange, place)
            elif not reader.may_read(place.index):
                await _refuse(exchange, reader, place.index)
            else:
                await self._pages.answer(exchange, place, private=reader.indexes.private(place.index))
        elif isinstance(place, File):
            if not reader.indexes.has(place.index):
                await files.say_absent(exchange)
            elif not reader.may_fetch(place.index):
                await _refuse(exchange, reader, place.index)
            else:
                await files.answer_file(exchange, self._tree, place, private=reader.indexes.private(place.index))
        elif exchange.path == "/":
            await exchange.say(302, "The pages are at /+ui/.", (b"location", b"/+ui/"))
        else:
            await exchange.say(404, _NOTHING)

    async def _ask_api(self, exchange: Exchange) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await exchange.begin(message["status"], message["headers"])
            else:
                await exchange.send(message.get("body", b""), more=message.get("more_body", False))

        await self._api({**exchange.scope, "scheme": exchange.scheme}, exchange.receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Follow the ledger from the start of the server to its end."""
        await receive()
        self._following.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self._following.stop)
        self._uploads.close()
        self._ledger.shutdown()
        await send({"type": "lifespan.shutdown.complete"})


def _located(path: str) -> Page | File | None:
    return _known(path) if len(path) < _LONG else locate(path)


async def _refuse(exchange: Exchange, reader: Reader, index: str) -> None:
    status, reason = reader.refusal(index)
    await exchange.say(status, f"{reason}.", *([(b"www-authenticate", CHALLENGE.encode())] if status == 401 else []))

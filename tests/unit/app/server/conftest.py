"""A home that is served, in the process and over a socket, with a tree that each test finds as it is written here."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from buildfarm.app.server.asgi import App, make_app
from buildfarm.app.server.running import IndexServer, Place
from buildfarm.app.settings import Settings
from buildfarm.farm.lay_out import DOCS
from buildfarm.farm.render import ROOTS
from buildfarm.model.events import IndexConfigured
from buildfarm.model.index import Index

HTML = "text/html"
JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
SHA = "5a" * 32
WHEEL = f"+f/{SHA}/farm_tools-1.0+local.1-py3-none-any.whl"
UNFINISHED = "tmp/77-x"
BYTES = bytes(range(256)) * 8

FILES: Mapping[str, bytes] = {
    "main/simple/index.html": b"<a href='farm-tools/'>",
    "main/simple/index.json": b'{"projects": []}',
    "main/simple/farm-tools/index.html": b"<a>",
    "main/simple/farm-tools/index.json": b"{}",
    "company/base/simple/index.html": b"",
    "company/base/simple/simple/index.html": b"a project by the name of simple",
    f"main/{WHEEL}": BYTES,
    f"main/{WHEEL}.metadata": b"Name: farm-tools\n",
    f"main/+f/{SHA}/farm_tools-1.0.tar.gz": b"\x1f\x8b",
    f"main/+f/{SHA}/empty-1.0.zip": b"",
    UNFINISHED: b"half a page",
    "main/.hidden": b"secret",
    "main/simple/.hidden/index.html": b"secret",
    "../outside/index.html": b"secret",
}

Heard = list[str]


class Answer:
    """A whole answer: its status, headers and body."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


Ask = Callable[..., Answer]


class House:
    """A home with a server that runs, and its application for the process."""

    def __init__(self, home: Path) -> None:
        self.heard: Heard = []
        self.said: list[str] = []
        self.settings = Settings(home=home, engine="none", upload_limit=100_000)
        self.server = IndexServer(self.settings, {}, Place(), report=self.said.append, heard=self.heard.append)
        for what in (ROOTS, DOCS):
            self.server.ledger.rendering.advance(what, 1 << 60)  # the pages here are made by hand
        for name in ("main", "company/base"):
            self.make_index(name)
        self.app: App = make_app(self.server.serving, heard=self.heard.append)

    @property
    def tree(self) -> Path:
        return self.settings.tree

    def make_index(self, name: str, **settings: Any) -> None:
        """An index, seen at once."""
        self.server.ledger.events.append(name, IndexConfigured(index=Index(name=name, **settings)))
        self.forget()

    def forget(self) -> None:
        """See what the ledger says now, not in a second."""
        access = self.server.serving.access
        access._anybody = (float("-inf"), access._anybody[1])
        access._tokens.clear()

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """An answer of the application, in this process."""
        raw, _, query = path.partition("?")
        listed = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "method": method,
            "path": raw,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": listed if "Host" in headers else [(b"host", b"127.0.0.1"), *listed],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", self.server.port),
            "client": ("127.0.0.1", 9),
        }
        sent: list[Any] = []

        bodies = [body]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()  # nobody leaves before the answer is there
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        found = Message()
        for name, value in sent[0]["headers"]:
            found[name.decode()] = value.decode()
        return Answer(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]))


@pytest.fixture(scope="module")  # no longer: a test that forks while its threads ask the ledger may hang
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house") / "home")
    with house.server:
        thread = threading.Thread(target=house.server.run)
        thread.start()
        yield house
        house.server.stop()
        thread.join()


@pytest.fixture
def house(running: House) -> House:
    """The same for all, with its tree as it was in the beginning, and nothing heard."""
    for folder in (running.tree, running.tree.parent / "outside"):
        shutil.rmtree(folder, ignore_errors=True)
    for path, content in FILES.items():
        (running.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (running.tree / path).write_bytes(content)
    running.heard.clear()
    running.said.clear()
    return running


@pytest.fixture
def tree(house: House) -> Path:
    return house.tree


@pytest.fixture
def heard(house: House) -> Heard:
    return house.heard


@pytest.fixture
def connection(house: House) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", house.server.port, timeout=10)
    yield connection
    connection.close()


@pytest.fixture
def over_a_socket(connection: http.client.HTTPConnection) -> Ask:
    def ask(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    return ask


@pytest.fixture(params=["in the process", "over a socket"])
def ask(request: pytest.FixtureRequest, house: House) -> Ask:
    if request.param == "over a socket":
        found: Ask = request.getfixturevalue("over_a_socket")
        return found
    return house.ask

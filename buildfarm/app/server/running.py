"""A server at an address: its socket, its certificate, its start and its end."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import uvicorn

from buildfarm.app.home import open_ledger
from buildfarm.app.once import Once
from buildfarm.app.server.access import Access
from buildfarm.app.server.asgi import App, make_app
from buildfarm.app.server.protocol import PATIENCE, Protocol
from buildfarm.app.server.serving import Serving
from buildfarm.app.settings import Settings
from buildfarm.app.ui.install import install
from buildfarm.app.wiring import open_site
from buildfarm.model.errors import FarmError
from buildfarm.model.index import is_name

if TYPE_CHECKING:
    from buildfarm.app.server.proxy import Proxy

_BACKLOG = 2048
_GRACE = 5  # seconds that answers may take once the server is to end

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server listens, port 0 being any free one; with a certificate (PEM files) it speaks HTTPS alone."""

    bind: str = "127.0.0.1"
    port: int = 0
    certfile: Path | None = None
    keyfile: Path | None = None


class IndexServer:
    """Serves a home: listens from the beginning, answers while it runs, and lets go of all at the end of its context.

    ``jobs`` tests of uploads run at once. ``report`` hears what a person should know, ``heard`` a line for each request
    (None: nobody wants to know), both on several threads. ``front`` puts another application before the server's own.
    Raises ``FarmError`` when the address or the home cannot be had.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        place: Place,
        *,
        jobs: int = 0,
        report: Report = lambda _: None,
        heard: Report | None = None,
        front: Callable[[Serving, App], App | Proxy] = lambda _, app: app,
    ) -> None:
        self.settings = settings
        self._scheme = "https" if place.certfile else "http"
        with ExitStack() as stack:
            self._socket = stack.enter_context(_listen(place))
            self._address: tuple[str, int] = self._socket.getsockname()[:2]
            self.ledger = stack.enter_context(open_ledger(settings))
            self.serving = Serving(
                settings=settings,
                ledger=self.ledger,
                access=Access(self.ledger.events.indexes, self.ledger.tokens.find),
                site=Once(lambda: self._stack.enter_context(open_site(settings, environ))),
                report=report,
            )
            config = uvicorn.Config(
                front(self.serving, make_app(self.serving, jobs=jobs, heard=heard)),
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="critical",  # what is worth a line is reported by the application
                access_log=False,
                server_header=False,
                ssl_certfile=place.certfile,
                ssl_keyfile=place.keyfile,
                proxy_headers=False,  # ``Exchange.scheme`` is for the few answers that need them
                timeout_keep_alive=int(PATIENCE),
                timeout_graceful_shutdown=_GRACE,
            )
            _load(config, place)
            self._uvicorn = uvicorn.Server(config)
            self._stack = stack.pop_all()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    @property
    def url(self) -> str:
        """What it is reached by on this machine, without a slash at its end."""
        address = self._address[0]
        return f"{self._scheme}://{f'[{address}]' if ':' in address else address}:{self.port}"

    def run(self) -> None:
        """Answer until ``stop``, or, on the main thread, until a signal, which is then raised again."""
        self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """End ``run``; from any thread."""
        self._uvicorn.should_exit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def serve(server: IndexServer, report: Report) -> None:
    """Run it until it is told to end; says first where it is, and how to install from each of its indexes."""
    report(f"serving {server.settings.tree} at {server.url}/ until Ctrl-C")
    for index in _published(server.settings.tree):
        report(f"  {install(server.url, index, 'NAME').pip}")
    server.run()


def _published(folder: Path) -> tuple[str, ...]:
    """Names of the indexes that have pages in a tree, sorted; none where there is no tree."""
    roots = (root for pattern in ("*", "*/*") for root in folder.glob(f"{pattern}/simple/index.html"))
    names = (root.parent.parent.relative_to(folder).as_posix() for root in roots)
    return tuple(sorted(filter(is_name, names)))


def _listen(place: Place) -> socket.socket:
    try:
        family = socket.getaddrinfo(place.bind, None, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as stack:
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if os.name == "posix":  # on Windows that would share the port of another server
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((place.bind, place.port))
            listening.listen(_BACKLOG)
            stack.pop_all()
            return listening
    except (OSError, OverflowError, UnicodeError) as error:
        advice = "--bind takes an address of this machine, --port a number that you may use, from 0 (any) to 65535"
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            advice = "end what listens there, perhaps another `buildfarm serve`, or choose another --port (0: any)"
        raise FarmError(f"could not listen on {place.bind}, port {place.port}: {error}; {advice}") from error


def _load(config: uvicorn.Config, place: Place) -> None:
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        what = f"the certificate {place.certfile} with the key {place.keyfile or place.certfile}"
        raise FarmError(f"{what} cannot be used: {error}; both are PEM files, the key has no password") from error

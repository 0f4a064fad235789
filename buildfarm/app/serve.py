"""``buildfarm serve``: a small server of the index tree for a developer's machine. It only reads.

The simple repository API: PEP 503 (redirects), 658 (metadata beside the file), 691 (content negotiation). What is not
a page or a file of an index has no address here, so neither has a dot file, a temporary file or a way out of the tree.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import socketserver
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from buildfarm.app.harmless import harmless
from buildfarm.model.errors import FarmError
from buildfarm.pages.addresses import FORMS, HTML, File, Page, locate, negotiate, part_of

_HTML_UTF8 = f"{HTML}; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_FILE_TYPES = {".metadata": _TEXT, ".json": "application/json", ".gz": "application/gzip", ".zip": "application/zip"}

# uv takes a page without this as fresh for a tenth of its age, and a new version stays unseen for days.
_REVALIDATE = {"Cache-Control": "max-age=0, must-revalidate"}
_IMMUTABLE = {"Cache-Control": "max-age=31536000, immutable"}

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?")


def pip_command(host: str, index: str) -> str:
    """How to install from an index of the server at ``host``, which may have a port."""
    trust = "" if _LOOPBACK.fullmatch(host) else f" --trusted-host {host}"  # else pip refuses plain HTTP
    return f"pip install{trust} --index-url http://{host}/{index}/simple/ NAME"


class IndexServer(ThreadingHTTPServer):
    """Serves the tree ``folder``, which need not be there yet. ``report`` hears of each request, on several threads."""

    request_queue_size = 128  # uv opens fifty connections at once
    allow_reuse_address = os.name == "posix"  # on Windows that would share the port of another server

    def __init__(self, folder: Path, bind: str, port: int, report: Callable[[str], None]) -> None:
        self.folder = folder
        self.report = report
        self.address_family = socket.getaddrinfo(bind, None, type=socket.SOCK_STREAM)[0][0]
        super().__init__((bind, port), Exchange)

    @property
    def host(self) -> str:
        """Name and port that this server is reached by, as in a URL."""
        address = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"{address}:{self.server_port}"

    def indexes(self) -> tuple[str, ...]:
        """Names of the indexes in the tree, sorted."""
        roots = [*self.folder.glob("*/simple/index.html"), *self.folder.glob("*/*/simple/index.html")]
        names = (root.parent.parent.relative_to(self.folder).as_posix() for root in roots)
        return tuple(sorted(name for name in names if isinstance(locate(f"/{name}/simple/"), Page)))

    def open(self, path: str) -> BinaryIO | None:
        """The file at a path of the tree; None where there is none. Links that leave the tree lead nowhere."""
        try:
            real = Path(os.path.realpath(self.folder / path.lstrip("/")))
            inside = real.is_relative_to(os.path.realpath(self.folder))
            return real.open("rb") if inside and real.is_file() else None
        except PermissionError as error:
            advice = "serve as the user who owns the tree"
            raise FarmError(f"could not read {path} in {self.folder}: {error.strerror}; {advice}") from error
        except OSError:  # gone in this moment, or a name that no file can have
            return None

    def server_bind(self) -> None:
        """Bind without the base class's question to DNS, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's signature
        """Report what went wrong in an exchange, unless only its other end went away."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.report(f"could not answer {client_address}: {error!r}")


class Exchange(BaseHTTPRequestHandler):
    """Requests and answers of one connection."""

    server: IndexServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may be idle
    disable_nagle_algorithm = True  # else a body waits for the acknowledgement of its headers
    error_content_type = _TEXT  # of what the base class refuses: other methods, and what is no HTTP
    error_message_format = "%(message)s: %(explain)s.\n"
    server_version, sys_version = "buildfarm", ""

    def do_GET(self) -> None:
        """Answer with a page, a file, or a sentence that says what to do."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # nobody reads that body: it must not pass for the next request
        path, _, query = self.path.partition("?")
        place = locate(path)
        try:
            if isinstance(place, File):
                self._send_file(place)
            elif isinstance(place, Page) and path != str(place):
                self._say(301, f"This page is at {place}.", {"Location": f"{place}{query and f'?{query}'}"})
            elif isinstance(place, Page):
                self._send_page(place)
            elif path == "/":
                self._send(200, {"Content-Type": _HTML_UTF8, **_REVALIDATE}, self._front_page())
            else:
                self._say(404, "Nothing is here: / lists the indexes, and a project is at /INDEX/simple/NAME/.")
        except FarmError as error:
            self._say(500, f"{error}.")

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _send_page(self, page: Page) -> None:
        media = negotiate(",".join(self.headers.get_all("Accept", [])) or "*/*")
        if media is None:
            self._say(406, f"Let Accept name one of {', '.join(FORMS)}.", {"Vary": "Accept"})
            return
        file = self.server.open(f"{page}{FORMS[media]}")
        if file is None:
            remedy = f"`buildfarm build {page.project or 'NAME'} --index {page.index}` publishes there"
            self._say(404, f"There is no {page} yet: {remedy}, and / lists the indexes.", {"Vary": "Accept"})
            return
        with file:
            content = file.read()
        tag = sha256(media.encode() + content).hexdigest()  # two media types share the bytes of one form
        headers = {"ETag": f'"{tag}"', "Vary": "Accept", **_REVALIDATE}
        if self._is_known(tag):
            self._send(304, headers)
        else:
            self._send(200, {"Content-Type": _HTML_UTF8 if media == HTML else media, **headers}, content)

    def _send_file(self, place: File) -> None:
        file = self.server.open(place.path)
        if file is None:
            self._say(404, "There is no such file; the page of its project lists those that there are.")
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            headers = {"ETag": f'"{place.sha256}"', "Accept-Ranges": "bytes", **_IMMUTABLE}
            if self._is_known(place.sha256):
                self._send(304, headers)
                return
            whole = self.command == "HEAD" or self.headers.get("If-Range", headers["ETag"]) != headers["ETag"]
            status, part = part_of(size, "" if whole else self.headers.get("Range", ""))
            if status == 416:
                self._say(416, f"The file has {size} bytes.", {"Content-Range": f"bytes */{size}"})
                return
            if status == 206:
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            headers["Content-Type"] = _FILE_TYPES.get(Path(place.path).suffix, "application/octet-stream")
            self._send(status, {**headers, "Content-Length": str(len(part))})
            if part and self.command != "HEAD" and self.connection.sendfile(file, part.start, len(part)) < len(part):
                self.close_connection = True  # somebody cut the file off: say so by the only means left

    def _say(self, status: int, sentence: str, headers: Mapping[str, str] = {}) -> None:
        self._send(status, {"Content-Type": _TEXT, **_REVALIDATE, **headers}, f"{sentence}\n".encode())

    def _send(self, status: int, headers: Mapping[str, str], body: bytes | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)

    def _is_known(self, tag: str) -> bool:
        """Whether ``If-None-Match`` names the tag, compared weakly as RFC 9110, 13.1.2 says."""
        known = ",".join(self.headers.get_all("If-None-Match", [])).split(",")
        return any(each.strip().removeprefix("W/") in ("*", f'"{tag}"') for each in known)

    def _front_page(self) -> bytes:
        host = self.headers.get("Host", "")
        host = host if _HOST.fullmatch(host) else self.server.host
        listed = "".join(
            f'<h2><a href="/{name}/simple/">{name}</a></h2>\n<pre>{escape(pip_command(host, name))}</pre>\n'
            for name in self.server.indexes()
        )
        empty = "<p>Nothing is published yet: <code>buildfarm build NAME</code> does both.</p>\n"
        head = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Package indexes</title></head>\n'
        return f"{head}<body>\n<h1>Package indexes</h1>\n{listed or empty}</body>\n</html>\n".encode()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the base class's signature
        """Report the request with the status of its answer."""
        self.server.report(harmless(f"{code} {self.requestline}"))

    def log_message(self, *_: object) -> None:
        """Drop what the base class says besides: an error has its status, and an idle connection may end."""


def make_server(folder: Path, bind: str, port: int, report: Callable[[str], None] = lambda _: None) -> IndexServer:
    """A server of the tree ``folder`` that listens already; ``serve_forever`` answers until ``shutdown``.

    Port 0 is any free one, then found in ``server_port``. Raises ``FarmError`` when the address cannot be had.
    """
    try:
        return IndexServer(folder, bind, port, report)
    except (OSError, OverflowError, UnicodeError) as error:
        advice = "--bind takes an address of this machine, --port a number that you may use, from 0 (any) to 65535"
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            advice = "end what listens there, perhaps another `buildfarm serve`, or choose another --port (0: any)"
        raise FarmError(f"could not listen on {bind}, port {port}: {error}; {advice}") from error


def serve(
    folder: Path,
    *,
    bind: str,
    port: int,
    report: Callable[[str], None],
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve the tree ``folder`` until a ``KeyboardInterrupt``, which passes. ``ready`` is told the port.

    ``report`` gets the address, the pip command of each index, then a line per request. Raises as ``make_server`` does.
    """
    with make_server(folder, bind, port, report) as server:
        report(f"serving {folder} at http://{server.host}/ until Ctrl-C")
        for index in server.indexes():
            report(f"  {pip_command(server.host, index)}")
        if ready is not None:
            ready(server.server_port)
        server.serve_forever()

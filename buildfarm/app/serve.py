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
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from buildfarm.model.errors import FarmError

_HTML = "text/html"
_JSON = "application/vnd.pypi.simple.v1+json"
_FORMS = {_HTML: "index.html", _JSON: "index.json", "application/vnd.pypi.simple.v1+html": "index.html"}
"""What a page can be had as, best first, and the file that it is."""

# uv takes a page without this as fresh for a tenth of its age, and a new version stays unseen for days.
_REVALIDATE = {"Cache-Control": "max-age=0, must-revalidate"}
_IMMUTABLE = {"Cache-Control": "max-age=31536000, immutable"}

_FILE_TYPES = {".metadata": "text/plain; charset=utf-8", ".gz": "application/gzip", ".zip": "application/zip"}

_SEGMENT = "(?!simple/)[a-z0-9][a-z0-9._-]*"
_INDEX = f"(?P<index>{_SEGMENT}(?:/{_SEGMENT})?)"
_PAGE = re.compile(f"/{_INDEX}/simple(?:/(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))?/?")
_FILE = re.compile(rf"/{_INDEX}/\+f/(?P<sha256>[0-9a-f]{{64}})/[A-Za-z0-9_][A-Za-z0-9_.+!-]*")
_RANGE = re.compile(r"bytes=(?:(?P<first>[0-9]+)-(?P<last>[0-9]*)|-(?P<suffix>[0-9]+))")
_QUALITY = re.compile(r"[qQ]=(?P<q>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of a project, or of the whole index when ``project`` is empty; its name is normalised (PEP 503)."""

    index: str
    project: str = ""

    def __str__(self) -> str:
        return f"/{self.index}/simple/{self.project and f'{self.project}/'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A distribution or the metadata beside one. ``sha256`` is the distribution's, so it stands for these bytes in both cases."""

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
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        qualities = [_QUALITY.fullmatch(each) for each in parameters if each[:2].lower() == "q="]
        if None not in qualities:  # a range whose quality cannot be read is as good as absent
            wanted[media.lower().replace(".latest+", ".v1+")] = min((float(each["q"]) for each in qualities if each), default=1)
    offers = []
    for preference, media in enumerate(_FORMS):
        ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
        precision = max((number for number, each in enumerate(ranges) if each in wanted), default=0)
        offers.append((wanted.get(ranges[precision], 0), precision, -preference, media))
    quality, _, _, best = max(offers)
    return best if quality else None


def part_of(size: int, asked: str) -> range | None:
    """The bytes that a ``Range`` header asks of a file of that size (RFC 9110, 14.2).

    Empty when it cannot be satisfied; None when all of the file is the answer: several ranges, or none that can be read.
    """
    match = _RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    if match["suffix"]:
        return range(max(0, size - int(match["suffix"])), size)
    if match["last"] and int(match["last"]) < int(match["first"]):
        return None
    return range(int(match["first"]), min(size, int(match["last"] or size) + 1))


def pip_command(host: str, index: str) -> str:
    """How to install from an index of the server at ``host``, which may have a port."""
    match = _HOST.fullmatch(host)
    trust = "" if match and _is_loopback(match["name"]) else f" --trusted-host {host}"  # pip refuses plain HTTP from elsewhere
    return f"pip install{trust} --index-url http://{host}/{index}/simple/ NAME"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class IndexServer(ThreadingHTTPServer):
    """Serves the tree ``folder``, which may come into being later. ``report`` hears of each request, from several threads."""

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
        address, port = str(self.server_address[0]), self.server_port
        if ip_address(address).is_unspecified:
            address = socket.gethostname()
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

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
            raise FarmError(f"could not read {path} in {self.folder}: {error.strerror}; who serves must own the tree") from error
        except OSError:  # gone in this moment, or a name that no file can have
            return None

    def server_bind(self) -> None:
        """Bind without a question to DNS, which the base class asks and which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # no Unix socket

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
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s: %(explain)s.\n"

    def do_GET(self) -> None:
        """Answer a GET, or a HEAD with the same headers and no body."""
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
                self._send(200, {"Content-Type": f"{_HTML}; charset=utf-8", **_REVALIDATE}, self._front_page())
            else:
                self._say(404, "Nothing has this address; / lists the indexes, and NAME is at /INDEX/simple/NAME/.")
        except FarmError as error:
            self._say(500, f"{error}.")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Refuse what would change something."""
        self.close_connection = True
        self._say(405, "This server only reads: wheels come onto an index by `buildfarm build NAME`.", {"Allow": "GET, HEAD"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST

    def _send_page(self, page: Page) -> None:
        media = negotiate(",".join(self.headers.get_all("Accept", [])) or "*/*")
        if media is None:
            self._say(406, f"A page can be had as {', '.join(_FORMS)}: let Accept name one of them.", {"Vary": "Accept"})
            return
        file = self.server.open(f"{page}{_FORMS[media]}")
        if file is None:
            self._say(404, self._missing(page), {"Vary": "Accept"})
            return
        with file:
            content = file.read()
        tag = sha256(media.encode() + content).hexdigest()  # two media types share the bytes of one form
        headers = {"ETag": f'"{tag}"', "Vary": "Accept", **_REVALIDATE}
        if self._is_known(tag):
            self._send(304, headers)
        else:
            self._send(200, {"Content-Type": f"{media}; charset=utf-8" if media == _HTML else media, **headers}, content)

    def _send_file(self, place: File) -> None:
        file = self.server.open(place.path)
        if file is None:
            self._say(404, "No index has this file here; the page of its project lists those that there are.")
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            headers = {"ETag": f'"{place.sha256}"', "Accept-Ranges": "bytes", **_IMMUTABLE}
            if self._is_known(place.sha256):
                self._send(304, headers)
                return
            part = part_of(size, self.headers.get("Range", ""))
            if self.command == "HEAD" or self.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
                part = None
            if part is not None and not part:
                self._say(416, f"The file has {size} bytes.", {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Type"] = _FILE_TYPES.get(Path(place.path).suffix, "application/octet-stream")
            if part is not None:
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            self._send_part(file, 200 if part is None else 206, headers, range(size) if part is None else part)

    def _send_part(self, file: BinaryIO, status: int, headers: Mapping[str, str], part: range) -> None:
        self._send(status, {**headers, "Content-Length": str(len(part))})
        if part and self.command != "HEAD" and self.connection.sendfile(file, part.start, len(part)) < len(part):
            self.close_connection = True

    def _say(self, status: int, sentence: str, headers: Mapping[str, str] = {}) -> None:  # noqa: B006 - nobody changes it
        self._send(status, {"Content-Type": "text/plain; charset=utf-8", **_REVALIDATE, **headers}, f"{sentence}\n".encode())

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

    def _missing(self, page: Page) -> str:
        if page.index not in self.server.indexes():
            return f"There is no index {page.index} here yet: the first wheel that is published on it makes it. / lists those that there are."
        return f"{page.project} is not on the index {page.index}; `buildfarm build {page.project} --index {page.index}` brings it there."

    def _front_page(self) -> bytes:
        host = self.headers.get("Host", "")
        host = host if _HOST.fullmatch(host) else self.server.host
        listed = "".join(
            f'<h2><a href="/{name}/simple/">{name}</a></h2>\n<pre>{escape(pip_command(host, name))}</pre>\n'
            for name in self.server.indexes()
        )
        empty = "<p>Nothing is published yet: <code>buildfarm build NAME</code> builds a wheel and publishes it here.</p>\n"
        head = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Package indexes</title></head>\n'
        return f"{head}<body>\n<h1>Package indexes</h1>\n{listed or empty}</body>\n</html>\n".encode()

    def version_string(self) -> str:
        """What the ``Server`` header says: no version, which would only help an attacker."""
        return "buildfarm"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the base class's signature
        """Report the request with the status of its answer."""
        self.server.report("".join(each if each.isprintable() else "?" for each in f"{code} {self.requestline}"))

    def log_message(self, *_: object) -> None:
        """Drop what the base class says besides: an error has its status, and an idle connection may end."""


def make_server(folder: Path, bind: str, port: int, report: Callable[[str], None] = lambda _: None) -> IndexServer:
    """A server of the tree ``folder`` that listens already; ``serve_forever`` answers, ``shutdown`` and ``server_close`` end it.

    Port 0 is any free one, then found in ``server_port``. Raises ``FarmError`` when the address cannot be had.
    """
    try:
        return IndexServer(folder, bind, port, report)
    except (OSError, OverflowError) as error:
        advice = {
            errno.EADDRINUSE: "end what listens there, perhaps another `buildfarm serve`, or choose a port with --port (0: any)",
            errno.EACCES: "choose a port above 1023 with --port",
        }.get(getattr(error, "errno", None) or 0, "--bind takes an address of this machine, --port a number up to 65535")
        raise FarmError(f"could not listen on {bind}, port {port}: {getattr(error, 'strerror', None) or error}; {advice}") from error


def serve(
    folder: Path,
    *,
    bind: str = "127.0.0.1",
    port: int = 8420,
    report: Callable[[str], None],
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve the tree ``folder`` until interrupted (``KeyboardInterrupt`` passes). ``ready`` is told the port once it listens.

    ``report`` gets the address, the pip command of each index, then a line per request. Raises ``FarmError`` as ``make_server``.
    """
    with make_server(folder, bind, port, report) as server:
        report(f"serving {folder} at http://{server.host}/ until Ctrl-C")
        for index in server.indexes():
            report(f"  {pip_command(server.host, index)}")
        if ready is not None:
            ready(server.server_port)
        server.serve_forever()

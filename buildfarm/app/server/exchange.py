"""One request and its answer, as ASGI has them; what every answer says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from buildfarm.app.harmless import harmless
from buildfarm.pages.addresses import is_known

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
Fields = Mapping[bytes, bytes]

TEXT = "text/plain; charset=utf-8"

# uv takes a page without this as fresh for a tenth of its age, and a new version stays unseen for days.
REVALIDATE: Header = (b"cache-control", b"max-age=0, must-revalidate")
_NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")
_LONGEST_REASON = 400  # of a status line
_REASONS = {each.value: each.phrase.encode() for each in HTTPStatus}


@lru_cache(maxsize=8192)
def _lines(headers: tuple[Header, ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % each for each in headers)


class Answer(NamedTuple):
    """All of an answer, but for what each one says."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""


def gathered(headers: Iterable[Header]) -> Fields:
    """Headers by their names, which are in lower case; all of one name joined by commas (RFC 9110, 5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = value if name not in fields else fields[name] + b"," + value
    return fields


class Request:
    """A request. ``report`` hears a line of it for a person when its answer begins."""

    __slots__ = ("_query", "_report", "fields", "method", "path")

    version = "1.1"

    def __init__(
        self, method: str, path: str, query: str, fields: Fields, report: Callable[[str], None] | None
    ) -> None:
        self.method = method
        self.path = path
        self.fields = fields
        self._query = query
        self._report = report

    def field(self, name: bytes) -> str:
        """A header of the request, all of that name joined by commas; empty where there is none."""
        return self.fields.get(name, b"").decode("latin-1")

    @property
    def query(self) -> str:
        """The query with its question mark, or nothing."""
        return self._query and f"?{self._query}"

    def knows(self, tag: str) -> bool:
        """Whether whoever asks has what the tag stands for."""
        return b"if-none-match" in self.fields and is_known(tag, self.field(b"if-none-match"))

    @property
    def brings(self) -> bool:
        """Whether a body follows it."""
        return b"content-length" in self.fields or b"transfer-encoding" in self.fields

    def written(self, answer: Answer, others: Iterable[Header]) -> bytes:
        """The same as ``answer`` sends, with other headers, as HTTP/1.1 has it (RFC 9112)."""
        self.tell(answer.status)
        length = b"" if answer.status == 304 else b"content-length: %d\r\n" % len(answer.body)
        head = (_lines(tuple(others)), _lines((*answer.headers, _NO_SNIFF)), length)
        body = b"" if self.method == "HEAD" else answer.body
        return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n%b" % (answer.status, _REASONS[answer.status], *head, body)

    def tell(self, status: int) -> None:
        """Report the request with the status of its answer."""
        if self._report is not None:
            line = f"{status} {self.method} {self.path}{self.query} HTTP/{self.version}"
            self._report(line if line.isprintable() else harmless(line))


class Exchange(Request):
    """A request, and the way to answer it."""

    __slots__ = ("_send", "receive", "scope", "status", "version")

    def __init__(self, scope: Message, receive: Receive, send: Send, report: Callable[[str], None] | None) -> None:
        path, query = (scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
        super().__init__(scope["method"], path, query, gathered(scope["headers"]), report)
        self.scope = scope
        self.version: str = scope["http_version"]
        self.receive = receive
        self._send = send
        self.status = 0  # not answered yet

    @property
    def scheme(self) -> str:
        """http or https, as whoever asks sees it: a web server on this machine may stand between."""
        said, client = self.field(b"x-forwarded-proto"), self.scope.get("client")
        near = client is not None and client[0] in ("127.0.0.1", "::1")
        return said if near and said in ("http", "https") else str(self.scope["scheme"])

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        """Send the status line and the headers; ``send`` sends what follows them."""
        self.status = status
        listed = [*headers, _NO_SNIFF]
        if self.method in ("GET", "HEAD") and self.brings:
            listed.append((b"connection", b"close"))  # nobody reads that body: it must not pass for the next request
        self.tell(status)
        await self._send({"type": "http.response.start", "status": status, "headers": listed})

    async def send(self, body: bytes, *, more: bool = False) -> None:
        """Send a piece of the body, the last one unless there is ``more``."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, status: int, headers: Iterable[Header], body: bytes = b"") -> None:
        """Send all of an answer. Its length is said, but for 304, where it would be that of another answer."""
        length = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
        await self.begin(status, [*headers, *length])
        await self.send(b"" if self.method == "HEAD" else body)

    async def say(self, status: int, sentence: str, *headers: Header) -> None:
        """Answer with a sentence: as text, and, where it refuses an upload, in the status line, for twine shows that
        alone.
        """
        if self.method == "POST" and status >= 400:
            reason = sentence.encode("ascii", "replace").decode()
            self.scope.setdefault("state", {})["reason"] = harmless(reason)[:_LONGEST_REASON]
        own = () if any(name == REVALIDATE[0] for name, _ in headers) else (REVALIDATE,)
        body = f"{sentence}\n".encode("utf-8", "replace")
        await self.answer(status, [(b"content-type", TEXT.encode()), *own, *headers], body)

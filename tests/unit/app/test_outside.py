"""`index doctor`: of a server that does everything nothing is lacking; of one with a flaw, that, and what follows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from io import StringIO

import httpx
import pytest
from rich.console import Console

from buildfarm.app.outside import files, pages
from buildfarm.app.outside.examine import root_of, show, to_plain
from buildfarm.app.outside.server import Observation, Server
from buildfarm.model.errors import FarmError, RecipeError

JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html"
WHEEL, METADATA = b"the bytes of a wheel, more than sixteen", b"Metadata-Version: 2.1\n"
ROOT = "https://packages.example/main/simple/"

Answer = Callable[[httpx.Request], httpx.Response]


def good(request: httpx.Request) -> httpx.Response:
    """A server that does everything."""
    path, headers = request.url.path, request.headers
    if path == "/main/simple/demo/":
        return _page(request)
    if path == "/main/simple/":
        return httpx.Response(200, json={"projects": [{"name": "demo"}]}, headers={"content-type": JSON})
    if path.lower().rstrip("/") == "/main/simple/demo":
        return httpx.Response(301, headers={"location": "/main/simple/demo/"})
    if path == "/main/f/demo-1-py3-none-any.whl.metadata":
        return httpx.Response(200, content=METADATA)
    if path == "/main/f/demo-1-py3-none-any.whl":
        kept = {"cache-control": "max-age=31536000, immutable", "content-type": "application/octet-stream"}
        if "range" in headers:
            return httpx.Response(206, content=WHEEL[-16:], headers=kept)
        if request.method == "HEAD":
            return httpx.Response(200, headers={**kept, "content-length": str(len(WHEEL))})
        return httpx.Response(200, content=WHEEL, headers=kept)
    return httpx.Response(404)


def _page(request: httpx.Request) -> httpx.Response:
    entry = {
        "filename": "demo-1-py3-none-any.whl",
        "url": "../../f/demo-1-py3-none-any.whl",
        "hashes": {"sha256": sha256(WHEEL).hexdigest()},
        "core-metadata": {"sha256": sha256(METADATA).hexdigest()},
        "size": len(WHEEL),
        "upload-time": "2026-01-01T00:00:00Z",
    }
    form = JSON if "json" in request.headers["accept"] else HTML
    content = json.dumps({"meta": {"api-version": "1.4"}, "files": [entry]}).encode() if form == JSON else b"<a>"
    headers = {
        "content-type": form,
        "vary": "Accept-Encoding, Accept",
        "cache-control": "max-age=0, must-revalidate",
        "etag": '"1"',
    }
    if request.headers.get("if-none-match") == '"1"':
        return httpx.Response(304, headers=headers)
    if request.headers.get("accept-encoding") == "gzip":
        return httpx.Response(200, content=gzip.compress(content), headers={**headers, "content-encoding": "gzip"})
    return httpx.Response(200, content=content, headers=headers)


def look(answer: Answer, root: str = ROOT) -> tuple[Observation, ...]:
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        server = Server(client=client, root=root)
        assert server.project == "demo"
        return (*pages.look(server), *(files.look(server) if server.files else ()))


def lacking(observed: tuple[Observation, ...]) -> list[str]:
    return [each.name for each in observed if not each.ok]


def without(*names: str, at: str = "") -> Answer:
    """The good server without those headers, on what ends so."""

    def answer(request: httpx.Request) -> httpx.Response:
        response = good(request)
        if request.url.path.endswith(at):
            for name in names:
                response.headers.pop(name, None)
        return response

    return answer


def saying(at: str, **headers: str) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        response = good(request)
        if request.url.path.endswith(at):
            response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return response

    return answer


def instead(response: httpx.Response, at: str, method: str = "", **asked: str) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        here = request.url.path.endswith(at) and method in ("", request.method)
        if here and all(value in request.headers.get(name.replace("_", "-"), "") for name, value in asked.items()):
            return httpx.Response(response.status_code, content=response.content, headers=response.headers)
        return good(request)

    return answer


def test_of_a_server_that_does_everything_nothing_is_lacking() -> None:
    observed = look(good)
    assert lacking(observed) == []
    assert len(observed) == 17
    assert all(each.follows and each.remedy for each in observed)


def with_sdist(*, wheel: bool) -> Answer:
    """The good server with an sdist, smaller than the wheel, of which no index has core metadata."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith((".whl", ".tar.gz")):
            request.url = httpx.URL(str(request.url).replace("-1.tar.gz", "-1-py3-none-any.whl"))
        response = good(request)
        if response.headers.get("content-type") != JSON or "demo" not in request.url.path or not response.content:
            return response
        (entry,) = response.json()["files"]
        sdist = {**entry, "filename": "demo-1.tar.gz", "url": "../../f/demo-1.tar.gz", "size": 1}
        del sdist["core-metadata"]
        listed = {"files": [sdist, entry] if wheel else [sdist]}
        return httpx.Response(200, json=listed, headers={"content-type": JSON})

    return answer


def test_metadata_is_looked_for_beside_wheels_alone() -> None:
    assert {each.name: each.ok for each in look(with_sdist(wheel=True))}["metadata"]
    assert "metadata" not in {each.name for each in look(with_sdist(wheel=False))}


FLAWS = {
    "vary": without("vary"),
    "freshness": saying("/demo/", cache_control="max-age=600"),
    "304": without("etag"),
    "gzip": instead(_page(httpx.Request("GET", ROOT, headers={"accept": JSON})), "/demo/", accept_encoding="gzip"),
    "slash": instead(httpx.Response(404), "/simple/demo"),
    "name": instead(httpx.Response(302, headers={"location": "/main/simple/Demo/"}), "/DEMO/"),
    "404": instead(httpx.Response(302, headers={"location": "https://other.example/"}), "/no-such-project-is-here/"),
    "file": instead(httpx.Response(404), ".whl"),
    "immutable": without("cache-control", at=".whl"),
    "head": instead(httpx.Response(405), ".whl", method="HEAD"),
    "range": instead(httpx.Response(200, content=WHEEL), ".whl", range="bytes"),
    "type": saying(".whl", content_type="text/plain"),
    "metadata": instead(httpx.Response(200, content=b"other"), ".metadata"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_found_and_nothing_else(flaw: str) -> None:
    assert lacking(look(FLAWS[flaw])) == [flaw]


def test_no_cache_control_with_last_modified_is_days_of_staleness() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        response = without("cache-control", at="/demo/")(request)
        response.headers["last-modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
        return response

    (found,) = [each for each in look(answer) if not each.ok]
    assert (found.name, found.seen) == ("freshness", "Cache-Control: nothing, but Last-Modified")
    assert "unseen for days" in found.follows


def test_plain_http_is_said_but_on_this_machine() -> None:
    assert lacking(look(good, "http://packages.example/main/simple/")) == ["https"]
    assert lacking(look(good, "http://127.0.0.1:8420/main/simple/")) == []


def test_what_is_no_index_is_said() -> None:
    assert root_of("https://packages.example/main") == ROOT
    assert root_of(ROOT) == ROOT
    assert root_of("https://devpi.example/root/dev/+simple/") == "https://devpi.example/root/dev/+simple/"
    with pytest.raises(RecipeError, match="no URL of an index"):
        root_of("main")
    with pytest.raises(FarmError, match="401 Unauthorized; name an index"):
        look(lambda _: httpx.Response(401))

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(FarmError, match="refused; does the server run"):
        look(refuse)


def test_a_person_reads_what_follows_and_what_to_do() -> None:
    observed = look(FLAWS["range"])
    out = StringIO()
    show(observed, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lacks"))
    assert lines[at] == "lacks range      the last 16 bytes: 200, 39 bytes"
    assert lines[at + 1].strip().startswith("so: a broken download begins anew")
    assert any(line.strip().startswith("do: a server that answers Range") for line in lines)
    assert lines[-1] == "1 of 17 are lacking."
    document = to_plain(ROOT, observed)
    assert document["ok"] is False
    assert document["checks"][0]["name"] == "https"

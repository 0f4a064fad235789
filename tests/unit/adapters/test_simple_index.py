from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from buildfarm.adapters.http_client import Credentials
from buildfarm.adapters.simple_index import SimpleIndex, parse_page
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.errors import Unavailable
from buildfarm.model.origin import Offer

SHA = "a" * 64
URL = "https://index.invalid/simple/pkg/"
HTML = f"""<!DOCTYPE html><html><head><base href="../../files/"><title>x</title></head><body>
<A HREF="pkg-2.0.tar.gz#sha256={SHA}" data-requires-python="&gt;=3.9" data-yanked>pkg-2.0.tar.gz</a><br>
<a href="https://other.invalid/pkg%2B1-1.0%2Blocal.tar.gz#md5=abc">anything</a>
<a name="top">no link</a><a href="/">root</a>
"""
PAGE = {
    "meta": {"api-version": "1.4"},
    "name": "pkg",
    "files": [
        {"filename": "pkg-2.0.tar.gz", "url": "../../files/pkg-2.0.tar.gz", "hashes": {"sha256": SHA}, "size": 7,
         "requires-python": ">=3.9", "yanked": "broken"},
        {"filename": "pkg-1.0.zip", "url": "https://other.invalid/pkg-1.0.zip", "hashes": {}, "yanked": False},
    ],
}  # fmt: skip


def test_html_is_read_however_it_is_written() -> None:
    assert parse_page(HTML.encode(), "text/html", URL) == (
        Offer(
            filename="pkg-2.0.tar.gz",
            origin="https://index.invalid/files/pkg-2.0.tar.gz",
            sha256=SHA,
            requires_python=">=3.9",
            yanked=True,
        ),
        Offer(filename="pkg+1-1.0+local.tar.gz", origin="https://other.invalid/pkg%2B1-1.0%2Blocal.tar.gz"),
    )


@pytest.mark.parametrize("content_type", ["application/vnd.pypi.simple.v1+json", "application/json", "text/plain", ""])
def test_json_is_read_whatever_it_is_called(content_type: str) -> None:
    assert parse_page(json.dumps(PAGE).encode(), content_type, URL) == (
        Offer(
            filename="pkg-2.0.tar.gz",
            origin="https://index.invalid/files/pkg-2.0.tar.gz",
            sha256=SHA,
            size=7,
            requires_python=">=3.9",
            yanked=True,
            yank_reason="broken",
        ),
        Offer(filename="pkg-1.0.zip", origin="https://other.invalid/pkg-1.0.zip"),
    )


@pytest.mark.parametrize("page", ["{", '{"meta": {"api-version": "2.0"}, "files": []}', '{"files": []}', "[]"])
def test_json_that_is_no_page_is_refused(page: str) -> None:
    with pytest.raises(Unavailable, match="no simple page") as caught:
        parse_page(page.encode(), "application/json", URL)
    assert caught.value.reason.code == "upstream"


class Server:
    """Answers what a test says, and remembers what was asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], auth: httpx.Auth | None = None) -> None:
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self.clock = 1000.0

        def respond(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            return answer(request)

        self.upstream = Upstream(
            lambda: httpx.Client(transport=httpx.MockTransport(respond), auth=auth), self.slept.append
        )

    def index(self, cache: Path, url: str = "https://index.invalid/simple/") -> SimpleIndex:
        return SimpleIndex(url, self.upstream, cache, lambda: self.clock)


def test_a_page_is_asked_for_once_while_it_is_fresh(tmp_path: Path) -> None:
    headers = {"Cache-Control": "public, max-age=86400", "ETag": '"1"'}

    def answer(request: httpx.Request) -> httpx.Response:
        status = 304 if request.headers.get("If-None-Match") == '"1"' else 200
        return httpx.Response(status, headers=headers, text=HTML if status == 200 else "")

    server = Server(answer)
    first = server.index(tmp_path).offers("Pkg")
    server.clock += 599
    assert server.index(tmp_path).offers("pkg") == first
    assert [str(request.url) for request in server.asked] == [URL]
    server.clock += 2  # ten minutes is the most that is believed
    assert server.index(tmp_path).offers("pkg") == first
    assert server.asked[1].headers["If-None-Match"] == '"1"'
    assert server.index(tmp_path).offers("pkg") == first
    assert len(server.asked) == 2


def test_a_page_without_a_lifetime_is_asked_for_again_after_a_minute(tmp_path: Path) -> None:
    server = Server(lambda _: httpx.Response(200, text=HTML))
    server.index(tmp_path).offers("pkg")
    server.clock += 59
    server.index(tmp_path).offers("pkg")
    assert len(server.asked) == 1
    server.clock += 2
    server.index(tmp_path).offers("pkg")
    assert len(server.asked) == 2
    assert server.asked[0].headers["Accept"].startswith("application/vnd.pypi.simple.v1+json")


def test_an_unknown_project_has_no_offers(tmp_path: Path) -> None:
    assert Server(lambda _: httpx.Response(404)).index(tmp_path).offers("pkg") == ()


def test_a_server_that_stumbles_is_asked_three_times(tmp_path: Path) -> None:
    server = Server(lambda _: httpx.Response(503))
    with pytest.raises(Unavailable, match="503") as caught:
        server.index(tmp_path).offers("pkg")
    assert caught.value.reason.code == "upstream"
    assert len(server.asked) == 3
    assert server.slept == sorted(server.slept)
    answers = iter([httpx.Response(500), httpx.Response(200, text=HTML)])
    assert len(Server(lambda _: next(answers)).index(tmp_path).offers("pkg")) == 2


def test_a_refusal_is_asked_once(tmp_path: Path) -> None:
    server = Server(lambda _: httpx.Response(403))
    with pytest.raises(Unavailable, match="403"):
        server.index(tmp_path).offers("pkg")
    assert len(server.asked) == 1


def test_an_address_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request)

    server = Server(answer)
    with pytest.raises(Unavailable, match=r"https://index\.invalid/simple/pkg/: Name or service not known") as caught:
        server.index(tmp_path, "https://user:secret@index.invalid/simple").offers("pkg")
    assert "secret" not in str(caught.value)


def test_credentials_go_to_their_host_only(tmp_path: Path) -> None:
    url = "https://user:p%40ss@index.invalid/simple"
    server = Server(lambda _: httpx.Response(200, text=HTML), Credentials((url,)))
    found = server.index(tmp_path, url).offers("pkg")
    server.upstream.get("https://other.invalid/", {})
    assert "Authorization" in server.asked[0].headers
    assert "Authorization" not in server.asked[1].headers
    assert "p%40ss" not in found[0].origin
    assert not any(b"p%40ss" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_a_damaged_cache_is_no_cache(tmp_path: Path) -> None:
    server = Server(lambda _: httpx.Response(200, headers={"Cache-Control": "max-age=60"}, text=HTML))
    first = server.index(tmp_path).offers("pkg")
    next(tmp_path.glob("*.page")).write_bytes(b"{")
    assert server.index(tmp_path).offers("pkg") == first

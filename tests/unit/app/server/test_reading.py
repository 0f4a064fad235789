"""Pages and files, asked for in the process and over a socket."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from buildfarm.app.server import asgi, files
from buildfarm.app.server.exchange import Exchange
from tests.unit.app.server.conftest import BYTES, HTML, JSON, SHA, UNFINISHED, V1_HTML, WHEEL, Ask, Heard, House

VARY = "Accept, Accept-Encoding"


def test_a_page_in_both_forms(ask: Ask) -> None:
    html, json = ask("/main/simple/farm-tools/"), ask("/main/simple/farm-tools/", Accept=JSON)
    assert (html.status, html.body, html.headers["Content-Type"]) == (200, b"<a>", "text/html; charset=utf-8")
    assert (json.status, json.body, json.headers["Content-Type"]) == (200, b"{}", JSON)
    assert ask("/main/simple/", Accept=V1_HTML).headers["Content-Type"] == V1_HTML
    for answer in (html, json):
        assert answer.headers["Vary"] == VARY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "max-age=0, must-revalidate"
        assert "Last-Modified" not in answer.headers
        assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_page_that_cannot_be_had_so(ask: Ask) -> None:
    answer = ask("/main/simple/farm-tools/", Accept="application/json")
    assert (answer.status, answer.headers["Vary"]) == (406, VARY)
    assert answer.body.decode() == f"Let Accept name one of {HTML}, {JSON}, {V1_HTML}.\n"


def test_a_page_is_revalidated_and_a_replaced_one_is_new(ask: Ask, tree: Path) -> None:
    first = ask("/main/simple/", Accept=JSON)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = ask("/main/simple/", Accept=JSON, If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
        assert [again.headers[name] for name in ("ETag", "Vary", "Cache-Control")] == [
            tag,
            VARY,
            "max-age=0, must-revalidate",
        ]
    assert ask("/main/simple/", Accept=HTML, If_None_Match=tag).status == 200
    assert ask("/main/simple/", Accept=V1_HTML).headers["ETag"] != ask("/main/simple/").headers["ETag"]
    (tree / "main/simple/index.json").write_bytes(b"new")
    assert ask("/main/simple/", Accept=JSON, If_None_Match=tag).body == b"new"


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        ("/main/simple", "/main/simple/"),
        ("/main/simple/farm-tools", "/main/simple/farm-tools/"),
        ("/main/simple/Farm_.Tools/?format=x&y", "/main/simple/farm-tools/?format=x&y"),
        ("/company/base/simple/A%2Db?q", "/company/base/simple/a-b/?q"),
    ],
)
def test_other_spellings_lead_to_the_page(ask: Ask, asked: str, to: str) -> None:
    answer = ask(asked)
    assert (answer.status, answer.headers["Location"]) == (301, to)
    assert answer.body.decode() == f"This page is at {to.partition('?')[0]}.\n"


def test_who_asks_where_files_wait_for_one_that_does_not_is_sent_on(ask: Ask) -> None:
    answer = ask("/main/+pending/simple/Farm.Tools")
    assert answer.headers["Location"] == "/main/+pending/simple/farm-tools/"
    answer = ask("/main/+pending/simple/farm-tools/")
    assert (answer.status, answer.headers["Location"]) == (302, "/main/simple/farm-tools/")
    assert ask("/main/+pending/simple/").status == 404


def test_a_file_and_its_metadata(ask: Ask) -> None:
    wheel, metadata = ask(f"/main/{WHEEL}"), ask(f"/main/{WHEEL.replace('+local', '%2Blocal')}.metadata")
    assert (wheel.status, wheel.body, wheel.headers["Content-Type"]) == (200, BYTES, "application/octet-stream")
    assert (metadata.body, metadata.headers["Content-Type"]) == (b"Name: farm-tools\n", "text/plain; charset=utf-8")
    assert wheel.headers["Cache-Control"] == "max-age=31536000, immutable"
    assert (wheel.headers["ETag"], wheel.headers["Accept-Ranges"]) == (f'"{SHA}"', "bytes")
    assert ask(f"/main/{WHEEL}", If_None_Match=f'"{SHA}"').status == 304
    assert ask(f"/main/+f/{SHA}/farm_tools-1.0.tar.gz").headers["Content-Type"] == "application/gzip"
    assert ask(f"/main/+f/{SHA}/empty-1.0.zip").body == b""


def test_a_part_of_a_file(ask: Ask) -> None:
    part = ask(f"/main/{WHEEL}", Range="bytes=-16")
    assert (part.status, part.body, part.headers["Content-Length"]) == (206, BYTES[-16:], "16")
    assert part.headers["Content-Range"] == "bytes 2032-2047/2048"
    assert ask(f"/main/{WHEEL}", Range="bytes=3-5", If_Range=f'"{SHA}"').body == BYTES[3:6]
    assert ask(f"/main/{WHEEL}", Range="bytes=3-5", If_Range='"other"').body == BYTES
    beyond = ask(f"/main/{WHEEL}", Range="bytes=2048-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */2048")
    assert ask("/main/simple/", Range="bytes=0-1").status == 200


@pytest.mark.parametrize("path", ["/", "/main/simple/", f"/main/{WHEEL}", "/nothing", "/main/simple"])
def test_head_is_get_without_the_body(ask: Ask, path: str) -> None:
    head, get = ask(path, "HEAD"), ask(path)
    assert (head.status, head.body) == (get.status, b"")
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "/main/simple/six/",
            (
                "There is no /main/simple/six/ yet: "
                "`buildfarm build six --index main` publishes there, and / lists the indexes."
            ),
        ),
        (
            "/qa/simple/",
            "There is no /qa/simple/ yet: `buildfarm build NAME --index qa` publishes there, and / lists the indexes.",
        ),
        (
            "/main/+pending/simple/",
            "There is no /main/+pending/simple/ now: nothing waits for main, or it has only just come.",
        ),
        (f"/main/+f/{SHA}/b-1.0.zip", "There is no such file; the page of its project lists those that there are."),
        ("/main/numpy/", "Nothing is here: / lists the indexes, and a project is at /INDEX/simple/NAME/."),
    ],
)
def test_what_is_not_there_says_what_to_do(ask: Ask, path: str, sentence: str) -> None:
    answer = ask(path)
    assert (answer.status, answer.body.decode()) == (404, f"{sentence}\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/../outside/simple/",
        "/main/../../outside/index.html",
        "/%2e%2e/outside/index.html",
        "/main/simple/..%2f..%2f..%2foutside/",
        "/main/simple/..%5c..%5c..%5coutside/",
        "/main/simple/%252e%252e/",
        f"/main/+f/{SHA}/..",
        f"/main/+f/{SHA}%2ffarm_tools-1.0.tar.gz",
        f"/main/+f/{SHA}/farm_tools-1.0.tar.gz%00",
        "/main/simple/farm-tools/index.html",
        "/main/simple/.hidden/",
        "/main/.hidden",
        f"/{UNFINISHED}",
        f"/main/+f/{SHA}/",
        "/main/simple/linked/",
        f"/main/+f/{SHA}/linked.zip",
        f"/main/+f/{SHA}/loop.zip",
        f"/main/+f/{SHA}/pipe.zip",
        f"/main/+f/{SHA}/{'a' * 300}.zip",
    ],
)
def test_nothing_else_is_served(ask: Ask, tree: Path, path: str) -> None:
    (tree / "main/simple/linked").symlink_to(tree.parent / "outside")
    (tree / f"main/+f/{SHA}/linked.zip").symlink_to("../../../../outside/index.html")
    (tree / f"main/+f/{SHA}/loop.zip").symlink_to("loop.zip")
    os.mkfifo(tree / f"main/+f/{SHA}/pipe.zip")
    answer = ask(path)
    assert answer.status == 404
    assert b"secret" not in answer.body
    assert b"half" not in answer.body


def test_a_link_inside_the_tree_is_followed(ask: Ask, tree: Path) -> None:
    (tree / "main/simple/alias").symlink_to("farm-tools")
    assert ask("/main/simple/alias/").body == b"<a>"


def test_a_file_that_may_not_be_read_is_the_operators_business(house: House, ask: Ask, tree: Path) -> None:
    page = tree / "main/simple/index.html"
    page.chmod(0)
    if os.access(page, os.R_OK):
        pytest.skip("who runs this may read everything")
    answer = ask("/main/simple/")
    assert (answer.status, answer.body) == (500, b"The server could not do this; its log says why.\n")
    assert "serve as the user who owns the tree" in house.said[0]


def test_the_front_page_is_the_one_for_people(ask: Ask) -> None:
    answer = ask("/?x")
    assert (answer.status, answer.headers["Location"]) == (302, "/+ui/")


@pytest.mark.parametrize(
    ("client", "said", "url"),
    [("127.0.0.1", "https", "https"), ("10.0.0.7", "https", "http"), ("::1", "javascript", "http")],
)
def test_a_web_server_on_this_machine_says_whether_it_was_https(client: str, said: str, url: str) -> None:
    scope = {"method": "GET", "raw_path": b"/", "query_string": b"", "http_version": "1.1"}
    scope |= {"headers": [(b"x-forwarded-proto", said.encode())], "client": (client, 1), "scheme": "http"}

    async def nothing(*_: object) -> Any:
        """Neither asks nor answers."""

    assert Exchange(scope, nothing, nothing, None).scheme == url


def test_an_empty_tree_is_served_and_not_made(ask: Ask, tree: Path) -> None:
    shutil.rmtree(tree)
    assert [ask(path).status for path in ("/", "/+ui/", "/main/simple/")] == [302, 200, 404]
    assert not tree.exists()


def test_a_compressed_twin_is_another_thing_of_the_same_page(ask: Ask, tree: Path) -> None:
    (tree / "main/simple/index.json.gz").write_bytes(gzip.compress(b"twin"))
    plain, twin = ask("/main/simple/", Accept=JSON), ask("/main/simple/", Accept=JSON, Accept_Encoding="br, gzip;q=0.5")
    assert (plain.body, plain.headers["Content-Encoding"]) == (b'{"projects": []}', None)
    assert (gzip.decompress(twin.body), twin.headers["Content-Encoding"]) == (b"twin", "gzip")
    assert twin.headers["Content-Type"] == JSON
    assert twin.headers["Vary"] == plain.headers["Vary"] == VARY
    known = twin.headers["ETag"]
    assert known != plain.headers["ETag"]
    again = ask("/main/simple/", Accept=JSON, Accept_Encoding="gzip", If_None_Match=known)
    assert (again.status, again.headers["Content-Encoding"]) == (304, None)
    assert ask("/main/simple/", Accept=JSON, If_None_Match=known).status == 200
    assert ask("/main/simple/", Accept=JSON, Accept_Encoding="gzip;q=0").body == plain.body
    (tree / "main/simple/index.json.gz").unlink()
    assert ask("/main/simple/", Accept=JSON, Accept_Encoding="gzip").body == plain.body


def test_a_page_that_is_replaced_by_one_of_the_same_size_is_seen_at_once(ask: Ask, tree: Path) -> None:
    assert ask("/main/simple/", Accept=JSON).body == b'{"projects": []}'
    (tree / "main/simple/new").write_bytes(b'{"projects": {}}')
    (tree / "main/simple/new").replace(tree / "main/simple/index.json")
    assert ask("/main/simple/", Accept=JSON).body == b'{"projects": {}}'
    (tree / "main/simple/index.json").unlink()
    assert ask("/main/simple/", Accept=JSON).status == 404


def test_pages_are_forgotten_before_they_fill_the_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildfarm.app.server.pages._ROOM", 100)
    pages = house.app._pages
    for number in range(9):
        page = house.tree / f"main/simple/p{number}/index.html"
        page.parent.mkdir()
        page.write_bytes(b"x" * (10 * number))
        assert house.ask(f"/main/simple/p{number}/").body == page.read_bytes()
        assert pages._size == sum(len(each.content) for each in pages._kept.values()) <= 100
    assert house.ask("/main/simple/p1/").body == b"x" * 10


def test_a_large_file_comes_in_pieces_and_whole(ask: Ask, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3_000_000)
    (tree / f"main/+f/{SHA}/large-1.0.zip").write_bytes(content)
    for at_once in (files._AT_ONCE, None):
        monkeypatch.setattr(files, "_AT_ONCE", at_once)
        assert ask(f"/main/+f/{SHA}/large-1.0.zip").body == content
        assert ask(f"/main/+f/{SHA}/large-1.0.zip", Range="bytes=299999-1700000").body == content[299999:1700001]


def test_a_file_is_not_read_for_somebody_who_has_gone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (house.tree / f"main/+f/{SHA}/large-1.0.zip").write_bytes(bytes(64 << 20))
    read: list[int] = []
    really = files._read

    async def counted(number: int, size: int, at: int) -> bytes:
        read.append(at)
        return await really(number, size, at)

    monkeypatch.setattr(files, "_read", counted)
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        raw.sendall(f"GET /main/+f/{SHA}/large-1.0.zip HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert raw.recv(12) == b"HTTP/1.1 200"
    count = -1
    while count != len(read):
        count = len(read)
        time.sleep(0.1)
    assert count < 200  # of 256


@pytest.mark.parametrize("path", ["/main/", "/main/simple/", f"/main/{WHEEL}", "/nothing/at/all/of/it", "/"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(ask: Ask, path: str, method: str) -> None:
    answer = ask(path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.body.decode().startswith(f"{method} is not taken here.")


@pytest.mark.parametrize(("path", "index"), [("/main/simple/", "main"), ("/", "INDEX")])
def test_who_uploads_to_a_page_is_told_where_to(ask: Ask, path: str, index: str) -> None:
    answer = ask(path, "POST", b"x")
    assert answer.body.decode() == f"POST is not taken here. Uploads go to /{index}/.\n"


def test_each_request_is_reported(ask: Ask, heard: Heard) -> None:
    ask("/main/simple/numpy/?q=%1b")
    ask(f"/main/{WHEEL}", "HEAD")
    assert heard == ["404 GET /main/simple/numpy/?q=%1b HTTP/1.1", f"200 HEAD /main/{WHEEL} HTTP/1.1"]


def test_what_a_route_could_not_do_is_told_to_the_operator_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(asgi, "_known", broken)
    answer = house.ask("/main/simple/")
    assert (answer.status, answer.body) == (500, b"This is a fault of the server; its log says more.\n")
    assert "ZeroDivisionError" in house.said[0]

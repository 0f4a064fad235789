from __future__ import annotations

import http.client
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.app import serve
from buildfarm.app.serve import IndexServer, make_server, pip_command
from buildfarm.model.errors import FarmError
from buildfarm.pages.addresses import File, Page, locate, negotiate, part_of

HTML = "text/html"
JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
SHA = "5a" * 32
WHEEL = f"+f/{SHA}/farm_tools-1.0+local.1-py3-none-any.whl"
UNFINISHED = "tmp/77-x"
BYTES = bytes(range(256)) * 8


class Answer:
    """A whole answer: its status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


Ask = Callable[..., Answer]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    files: Mapping[str, bytes] = {
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
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@contextmanager
def running(folder: Path, heard: list[str]) -> Iterator[IndexServer]:
    with make_server(folder, "127.0.0.1", 0, heard.append) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def server(tree: Path, heard: list[str]) -> Iterator[IndexServer]:
    with running(tree, heard) as server:
        yield server


@pytest.fixture
def connection(server: IndexServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    yield connection
    connection.close()


@pytest.fixture
def ask(connection: http.client.HTTPConnection) -> Ask:
    def ask(path: str, method: str = "GET", **headers: str) -> Answer:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return Answer(connection.getresponse())

    return ask


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", HTML),
        ("text/*", HTML),
        ("application/*", JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", V1_HTML),
        (f"{JSON}, {V1_HTML};q=0.1, {HTML};q=0.01", JSON),
        (f"{HTML}, {JSON};q=0.9", HTML),
        (f"{JSON}, */*", JSON),
        (f"{JSON};q=0.5, */*;q=0.8", HTML),
        ("text/html;q=0, */*;q=0.1", JSON),
        (f"{JSON};q=0, application/*", V1_HTML),
        (f"{JSON.upper()} ; Q=0.3", JSON),
        ("text/html;charset=utf-8;q=0.4, application/xml", HTML),
        (f"{JSON};q=much, {HTML};q=0.1", HTML),
        ("application/json", None),
        ("*/*;q=0", None),
        (f"{JSON};q=0.000", None),
        ("application/vnd.pypi.simple.v2+json", None),
        (";;,,=", None),
    ],
)
def test_the_form_that_accept_wants_most(accept: str, media: str | None) -> None:
    assert negotiate(accept) == media


@given(st.text(alphabet="texhml*/,;q=01. ", max_size=40))
def test_no_accept_header_is_too_odd(accept: str) -> None:
    assert negotiate(accept) in (HTML, JSON, V1_HTML, None)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("bytes=0-4", (206, range(5))),
        ("bytes=2-", (206, range(2, 10))),
        ("bytes=-3", (206, range(7, 10))),
        ("bytes=-99", (206, range(10))),
        ("bytes=8-99", (206, range(8, 10))),
        ("bytes=10-", (416, range(10, 10))),
        ("bytes=-0", (416, range(10, 10))),
        ("bytes=4-2", (200, range(10))),
        ("bytes=0-1,4-5", (200, range(10))),
        ("lines=0-1", (200, range(10))),
        (f"bytes=0-{'9' * 5000}", (200, range(10))),
        ("", (200, range(10))),
    ],
)
def test_the_part_that_a_range_asks_for(asked: str, answer: tuple[int, range]) -> None:
    assert part_of(10, asked) == answer


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/main/simple/", Page(index="main")),
        ("/company/base/simple/Farm_Tools", Page(index="company/base", project="farm-tools")),
        ("/main/simple/simple/", Page(index="main", project="simple")),
        (f"/main/{WHEEL.replace('+', '%2B')}", File(path=f"/main/{WHEEL}", sha256=SHA)),
        ("/simple/", None),
        ("/simple/simple/", None),
        ("/main/", None),
        ("/a/b/c/simple/", None),
        ("/Main/simple/", None),
        ("/main/simple/farm-tools/index.json", None),
        ("/main/simple/farm-tools%0a/", None),
        ("/main/simple/%C5%BFet/", None),  # a letter that folds to an ASCII one
        ("/main/simple/farm-tools//", None),
        (f"/main/+f/{SHA.upper()}/a-1.0.zip", None),
        (f"/main/+f/{SHA}/.hidden", None),
    ],
)
def test_what_an_address_stands_for(path: str, place: Page | File | None) -> None:
    assert locate(path) == place


@given(st.text(alphabet="./\\%25e0a+fmain simple\x00", max_size=60).map(lambda path: f"/main/{path}"))
def test_no_address_leads_upwards(path: str) -> None:
    place = locate(path)
    at = f"{place}" if isinstance(place, Page) else place.path if place else "/main"
    assert os.path.normpath(f"/tree{at}").startswith("/tree/main")
    assert ".." not in at.split("/")


def test_a_page_in_both_forms(ask: Ask) -> None:
    html, json = ask("/main/simple/farm-tools/"), ask("/main/simple/farm-tools/", Accept=JSON)
    assert (html.status, html.body, html.headers["Content-Type"]) == (200, b"<a>", "text/html; charset=utf-8")
    assert (json.status, json.body, json.headers["Content-Type"]) == (200, b"{}", JSON)
    assert ask("/main/simple/", Accept=V1_HTML).headers["Content-Type"] == V1_HTML
    for answer in (html, json):
        assert answer.headers["Vary"] == "Accept"
        assert answer.headers["Cache-Control"] == "max-age=0, must-revalidate"
        assert "Last-Modified" not in answer.headers
        assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_page_that_cannot_be_had_so(ask: Ask) -> None:
    answer = ask("/main/simple/farm-tools/", Accept="application/json")
    assert (answer.status, answer.headers["Vary"]) == (406, "Accept")
    assert answer.body.decode() == f"Let Accept name one of {HTML}, {JSON}, {V1_HTML}.\n"


def test_a_page_is_revalidated_and_a_replaced_one_is_new(ask: Ask, tree: Path) -> None:
    first = ask("/main/simple/", Accept=JSON)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = ask("/main/simple/", Accept=JSON, If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
        assert [again.headers[name] for name in ("ETag", "Vary", "Cache-Control")] == [
            tag,
            "Accept",
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


def test_a_file_that_may_not_be_read_is_the_operators_business(ask: Ask, tree: Path) -> None:
    page = tree / "main/simple/index.html"
    page.chmod(0)
    if os.access(page, os.R_OK):
        pytest.skip("who runs this may read everything")
    answer = ask("/main/simple/")
    assert answer.status == 500
    assert b"serve as the user who owns the tree" in answer.body


def test_the_front_page_lists_the_indexes(ask: Ask) -> None:
    answer = ask("/?", Host="farm:8420")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.body.decode() == (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Package indexes</title></head>\n<body>\n'
        "<h1>Package indexes</h1>\n"
        '<h2><a href="/company/base/simple/">company/base</a></h2>\n'
        "<pre>pip install --trusted-host farm:8420 --index-url http://farm:8420/company/base/simple/ NAME</pre>\n"
        '<h2><a href="/main/simple/">main</a></h2>\n'
        "<pre>pip install --trusted-host farm:8420 --index-url http://farm:8420/main/simple/ NAME</pre>\n"
        "</body>\n</html>\n"
    )


def test_a_host_header_that_is_no_host_is_not_repeated(ask: Ask, server: IndexServer) -> None:
    body = ask("/", Host="<script>").body.decode()
    assert "script" not in body
    assert f"pip install --index-url http://127.0.0.1:{server.server_port}/main/simple/ NAME" in body


def test_an_empty_tree_is_served_and_not_made(tmp_path: Path, heard: list[str]) -> None:
    with running(tmp_path / "index", heard) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("GET", "/")
        body = connection.getresponse().read()
        assert b"<p>Nothing is published yet: <code>buildfarm build NAME</code> does both.</p>" in body
        connection.close()
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("127.0.0.1:1", False), ("localhost", False), ("[::1]:1", False), ("10.0.0.7:1", True), ("farm:1", True)],
)
def test_pip_is_told_to_trust_plain_http_where_it_does_not(host: str, trusted: bool) -> None:
    assert ("--trusted-host" in pip_command(host, "main")) is trusted


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_other_methods_are_refused(ask: Ask, method: str) -> None:
    answer = ask("/main/", method)
    assert (answer.status, answer.headers["Connection"]) == (501, "close")
    assert answer.body.decode() == f"Unsupported method ('{method}'): Server does not support this operation.\n"


def test_a_connection_serves_many_requests(ask: Ask, connection: http.client.HTTPConnection) -> None:
    ask("/main/simple/")
    kept = connection.sock
    for path in ("/nothing", "/main/simple", f"/main/{WHEEL}"):
        ask(path)
    assert ask("/main/simple/", If_None_Match="*").status == 304
    assert connection.sock is kept


def test_a_body_is_not_taken_for_the_next_request(connection: http.client.HTTPConnection, heard: list[str]) -> None:
    connection.request("GET", "/main/simple/", body=b"GET /main/simple/smuggled/ HTTP/1.1\r\n\r\n")
    response = connection.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    response.read()
    assert heard == ["200 GET /main/simple/ HTTP/1.1"]


def test_an_idle_connection_is_ended(server: IndexServer, monkeypatch: pytest.MonkeyPatch, heard: list[str]) -> None:
    monkeypatch.setattr(serve.Exchange, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as idle:
        assert idle.recv(1) == b""
    assert heard == []


def test_each_request_is_reported_in_one_plain_line(ask: Ask, server: IndexServer, heard: list[str]) -> None:
    ask("/main/simple/numpy/")
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as raw:
        raw.sendall(b"GET /\x1b[31m HTTP/1.0\r\n\r\n")
        while raw.recv(1024):
            pass
    assert heard == ["404 GET /main/simple/numpy/ HTTP/1.1", "404 GET / HTTP/1.0"]


def test_a_taken_port_is_told(server: IndexServer, tree: Path) -> None:
    with pytest.raises(FarmError) as error:
        make_server(tree, "127.0.0.1", server.server_port)
    assert re.fullmatch(
        rf"could not listen on 127\.0\.0\.1, port {server.server_port}: .*in use; "
        r"end what listens there, perhaps another `buildfarm serve`, or choose another --port \(0: any\)",
        str(error.value),
    )


@pytest.mark.parametrize(("bind", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0), ("..", 0)])
def test_an_address_that_cannot_be_had_is_told(tree: Path, bind: str, port: int) -> None:
    with pytest.raises(FarmError, match="--bind takes an address of this machine"):
        make_server(tree, bind, port)


def test_serve_says_where_and_ends_when_interrupted(tree: Path, heard: list[str]) -> None:
    ports = []

    def ready(port: int) -> None:
        ports.append(port)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve.serve(tree, bind="127.0.0.1", port=0, report=heard.append, ready=ready)
    where = f"http://127.0.0.1:{ports[0]}/"
    assert heard == [
        f"serving {tree} at {where} until Ctrl-C",
        f"  pip install --index-url {where}company/base/simple/ NAME",
        f"  pip install --index-url {where}main/simple/ NAME",
    ]
    make_server(tree, "127.0.0.1", ports[0]).server_close()

"""The proxy over a socket, before the server of one home, with that of another one as what it falls through to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from buildfarm.adapters.elsewhere import Elsewhere
from buildfarm.adapters.owners import LocalOwners
from buildfarm.app.proxying import open_proxy, proxies
from buildfarm.app.server.running import IndexServer, Place
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.events import FileDeleted, FilePublished
from buildfarm.model.wheel import Artifact
from buildfarm.pages.passed import absolute
from tests.unit.app.server.conftest import HTML, JSON, House

ENVIRON = {"PIP_CONFIG_FILE": "/dev/null"}
THERE = b'{"meta": {"api-version": "1.4"}, "files": [{"filename": "x-1.tar.gz", "url": "../../+f/x-1.tar.gz"}]}'


class Proxied:
    """The house, a proxy of its index ``main``, and another house that has other projects."""

    def __init__(self, house: House, other: House, server: IndexServer, said: list[str], client: httpx.Client) -> None:
        self.house = house
        self.other = other
        self.server = server
        self.url = server.url
        self.said = said
        self.client = client

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        access = self.server.serving.access
        access._anybody = (float("-inf"), access._anybody[1])  # see what the ledger says now, not in a second
        return self.client.request(method, f"{self.url}{path}", headers=named)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("other") / "home")
    for name in ("strange", "ours", "our-tool", "farm-tools"):
        folder = house.tree / f"main/simple/{name}"
        folder.mkdir(parents=True)
        (folder / "index.json").write_bytes(THERE)
        (folder / "index.html").write_bytes(b"<html><head></head><a href='../../+f/x-1.tar.gz'>x-1.tar.gz</a></html>")
    with house.server:
        thread = threading.Thread(target=house.server.run)
        thread.start()
        yield house
        house.server.stop()
        thread.join()


@pytest.fixture(scope="module")
def proxying(running: House, other: House) -> Iterator[Proxied]:
    said: list[str] = []
    urls = (f"{other.server.url}/main/simple",)
    with (
        httpx.Client(trust_env=False, timeout=10) as client,
        open_proxy(running.settings, ENVIRON, Place(), "main", urls, said.append) as server,
    ):
        thread = threading.Thread(target=server.run)
        thread.start()
        yield Proxied(running, other, server, said, client)
        server.stop()
        thread.join()


@pytest.fixture
def proxied(house: House, proxying: Proxied) -> Proxied:
    """The same for all, with the house as it was in the beginning, and nothing said."""
    assert proxying.house is house
    proxying.said.clear()
    return proxying


def test_what_nobody_owns_falls_through_with_its_links_and_its_tag_and_is_told(proxied: Proxied) -> None:
    answer = proxied.get("/main/simple/strange/", Accept=JSON)
    whence = f"{proxied.other.server.url}/main/simple/strange/"
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    assert answer.json()["files"][0]["url"] == f"{proxied.other.server.url}/main/+f/x-1.tar.gz"
    assert answer.headers["x-buildfarm-fell-through-to"] == whence
    assert answer.headers["cache-control"] == "max-age=0, must-revalidate"
    assert "sandbox" in answer.headers["content-security-policy"]
    (line,) = proxied.said
    assert line.startswith(f"strange fell through to {whence}; `buildfarm admit strange==VERSION")
    again = proxied.get("/main/simple/strange/", Accept=JSON, If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
    page = proxied.get("/main/simple/strange/", Accept=HTML).content
    assert f'<head><base href="{whence}">'.encode() in page
    assert proxied.house.ask("/main/simple/strange/").status == 404, "the server of the index knows nothing of it"
    assert proxied.house.ask("/company/base/simple/strange/").status == 404


def test_what_the_index_has_is_its_own(proxied: Proxied) -> None:
    answer = proxied.get("/main/simple/farm-tools/", Accept=JSON)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert "x-buildfarm-fell-through-to" not in answer.headers
    assert proxied.get("/main/simple/Farm_Tools/").headers["location"] == "/main/simple/farm-tools/"
    assert proxied.said == []


def test_names_that_an_internal_index_owns_or_reserves_never_fall_through(proxied: Proxied) -> None:
    events = proxied.house.server.ledger.events
    artifact = Artifact(name="ours-1-py3-none-any.whl", size=1, sha256="0" * 64)
    file = FilePublished(project="ours", version="1", artifact=artifact, metadata_sha256="", uploaded="")
    events.append("company/base/+pending", file)
    assert proxied.get("/main/simple/ours/").status_code == 404
    events.append("company/base/+pending", FileDeleted(project="ours", filename=artifact.name))
    assert proxied.get("/main/simple/ours/").status_code == 404
    proxied.house.make_index("company/base", reserved=("our-*",))
    assert proxied.get("/main/simple/our-tool/").status_code == 404
    assert [line.partition(":")[0] for line in proxied.said] == [
        "ours was not asked for elsewhere",
        "ours was not asked for elsewhere",
        "our-tool was not asked for elsewhere",
    ]


def test_it_says_what_it_is(proxied: Proxied) -> None:
    whence = f"{proxied.other.server.url}/main/simple/"
    (proxied.house.tree / "main/simple/index.json").write_bytes(b'{"meta": {}, "projects": []}')
    (proxied.house.tree / "main/simple/index.html").write_bytes(b"<h1>Simple index</h1>")
    assert proxied.get("/main/simple/", Accept=JSON).json()["meta"] == {"_falls-through-to": [whence]}
    assert f"may come from {whence}, unreviewed" in proxied.get("/main/simple/", Accept=HTML).text
    live = LocalOwners(proxied.house.settings.home).live()
    assert proxies("main", live) == (f"process {os.getpid()}, port {proxied.url.rpartition(':')[2]}",)
    assert proxies("company/base", live) == ()


def test_it_only_reads_and_only_its_index(proxied: Proxied) -> None:
    assert proxied.get("/main/", "POST").status_code == 405
    for path in ("/company/base/simple/strange/", "/+ui/", "/+api/v1/status", "/", "/main/+doc/x/1/"):
        assert proxied.get(path).status_code == 404, path
    assert proxied.get("/+health").status_code == 200


def test_a_private_index_is_private_through_a_proxy(proxied: Proxied) -> None:
    proxied.house.make_index("main", private=True)
    try:
        assert proxied.get("/main/simple/strange/").status_code == 401
        assert proxied.get("/main/simple/").status_code == 401
    finally:
        proxied.house.make_index("main")
    assert proxied.said == []


def test_nobody_else_answers_for_one_who_cannot_be_reached(house: House, other: House) -> None:
    said: list[str] = []
    urls = ("http://127.0.0.1:9/simple/", f"{other.server.url}/main/simple/")
    with open_proxy(house.settings, ENVIRON, Place(), "main", urls, said.append) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        answer = httpx.get(f"{server.url}/main/simple/strange/", trust_env=False)
        server.stop()
        thread.join()
    assert answer.status_code == 502
    assert "strange" in said[0]
    assert "127.0.0.1:9" in said[0]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_the_next_is_asked_only_where_one_says_that_it_has_none(status: int) -> None:
    statuses = {"none.example": 404, "gone.example": 410, "ill.example": status, "good.example": 200}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(statuses[request.url.host], content=b"<a>", headers={"content-type": HTML})

    def asked(*hosts: str) -> str | None:
        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            found = Elsewhere(tuple(f"https://me:secret@{host}/simple" for host in hosts), client).page("x", HTML)
            return found.url if found else None

    assert asked("none.example", "gone.example") is None
    assert asked("none.example", "good.example", "ill.example") == "https://good.example/simple/x/"
    with pytest.raises(FarmError, match=rf"^https://ill\.example/simple/x/: .*{status}"):
        asked("gone.example", "ill.example", "good.example")


def test_a_header_that_nobody_can_be_sent_is_no_fault_of_the_server(proxied: Proxied) -> None:
    there = proxied.get("/main/simple/strange/")
    asked = proxied.client.build_request("GET", there.url, headers=[(b"If-None-Match", b"\xff")])
    assert (there.status_code, proxied.client.send(asked).status_code) == (200, 502)


def test_of_an_index_that_is_not_there_is_no_proxy(house: House) -> None:
    for index in ("nothing", "main/+pending"):
        with (
            pytest.raises(Refused, match="there is no index"),
            open_proxy(house.settings, ENVIRON, Place(), index, ("http://127.0.0.1:9/",), print),
        ):
            pass


@pytest.mark.parametrize("page", [b"[]", b"{}", b'{"files": [1]}', b'{"files": [{}]}', b"{", b"[" * 100_000])
def test_what_is_no_page_is_not_passed_on(page: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|no page"):
        absolute(page, JSON, "https://index.example/simple/x/")


def test_a_page_with_links_that_lead_there_from_anywhere_is_passed_on_as_it_is() -> None:
    page = b'{"files":  [{"url": "https://files.example/x"}]}'
    assert absolute(page, JSON, "https://index.example/simple/x/") == page
    based = absolute(b'<html><head><base href="/a/"></head></html>', HTML, "https://index.example/simple/x/")
    assert based.startswith(b'<html><head><base href="https://index.example/a/">')
    assert absolute(b"<a>", HTML, "https://index.example/x/?a&b").startswith(
        b'<base href="https://index.example/x/?a&amp;b">'
    )

"""One conformance suite, by bytes: the app, nginx as it is shipped before it, and a server that only knows files."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
import uv

from buildfarm.adapters.pip_config import PipConfig
from buildfarm.app.client_config.asked import asked
from buildfarm.app.client_config.uv import files as uv_files
from buildfarm.app.outside.examine import examine, root_of
from tests.e2e.fronts import Front, behind_nginx, publish, static
from tests.e2e.serving import Served, serving

pytestmark = pytest.mark.e2e

JSON = "application/vnd.pypi.simple.v1+json"
PIP = f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
DAYS = 30 * 86400.0
PRIVATE = ("customer/release", "main/other")

LACKS = {
    # What a server cannot do, and whoever uses it must know. docs/serving.md has the same table.
    "nginx": frozenset({"406", "v1+html", "absent"}),
    "static": frozenset(
        ("406", "v1+html", "json", "vary", "fresh", "etag", "gzip", "immutable", "range", "name", "types", "https")
    ),
}


def lacks(front: Front, what: str) -> bool:
    return what in LACKS.get(front.kind, frozenset())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Indexes main, company/dev that inherits from it, and two private ones, with a few wheels."""
    with serving(tmp_path_factory.mktemp("conformance") / "home") as served:
        served.make_index("main")
        served.make_index("company/dev", bases=("main",))
        for name in PRIVATE:
            served.make_index(name, private=True)
            publish(served, name, "secret", "1.0")
        for number in range(20):
            publish(served, "main", "many_files", f"1.{number}", "Requires-Python: >=3.8")
        yield served


@pytest.fixture(scope="module")
def fronts(home: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("nginx")
        yield {
            "app": Front(kind="app", url=home.url, heard=home.heard),
            "nginx": stack.enter_context(behind_nginx(folder, home.url, home.tree, "main|company/dev")),
            "static": stack.enter_context(static(home.tree)),
        }


@pytest.fixture(params=["app", "nginx", "static"])
def front(request: pytest.FixtureRequest, fronts: dict[str, Front]) -> Front:
    return fronts[request.param]


NEGOTIATING = pytest.mark.parametrize("front", ["app", "nginx"], indirect=True)

PAGES = ["/main/simple/", "/main/simple/many-files/", "/company/dev/simple/many-files/"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_the_files_of_the_tree(home: Served, front: Front, page: str) -> None:
    html = (home.tree / page[1:] / "index.html").read_bytes()
    for accept in ("text/html", "*/*", ""):
        answer = front.get(page, Accept=accept)
        assert (answer.status_code, answer.content) == (200, html)
        assert answer.headers["content-type"] in ("text/html; charset=utf-8", "text/html")
    if lacks(front, "json"):
        assert front.get(page, Accept=PIP).content == html
        return
    for accept in (PIP, JSON, JSON.replace("v1", "latest")):
        answer = front.get(page, Accept=accept)
        assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
        assert answer.content == (home.tree / page[1:] / "index.json").read_bytes()


def test_what_is_said_of_pages(front: Front) -> None:
    headers = front.get(PAGES[1], Accept=PIP).headers
    assert ("Accept" in ",".join(headers.get_list("vary"))) != lacks(front, "vary")
    assert (headers.get("cache-control") == "max-age=0, must-revalidate") != lacks(front, "fresh")
    assert ("etag" in headers) != lacks(front, "etag")
    if not lacks(front, "fresh"):  # nor is it kept that there is no such page
        assert front.get("/main/simple/absent/", Accept=PIP).headers["cache-control"] == headers["cache-control"]


def test_what_is_known_is_not_sent_again(front: Front) -> None:
    for accept in (PIP, "text/html"):
        for encoding in ("identity", "gzip"):
            first = front.get(PAGES[1], Accept=accept, Accept_Encoding=encoding).headers
            name, validator = (
                ("If-Modified-Since", first["last-modified"])
                if lacks(front, "etag")
                else ("If-None-Match", first["etag"])
            )
            again = front.get(PAGES[1], **{"Accept": accept, "Accept-Encoding": encoding, name: validator})
            assert (again.status_code, again.content) == (304, b"")
            assert front.get(PAGES[1], If_None_Match='"other"').status_code == 200


def test_the_twin_is_sent_compressed(home: Served, front: Front) -> None:
    for accept, name in ((PIP, "index.json"), ("text/html", "index.html")):
        answer = front.get(PAGES[1], Accept=accept, Accept_Encoding="gzip")
        if lacks(front, "gzip"):
            assert "content-encoding" not in answer.headers
        else:
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.content == (home.tree / f"main/simple/many-files/{name}.gz").read_bytes()
            assert gzip.decompress(answer.content) == (home.tree / f"main/simple/many-files/{name}").read_bytes()


def test_the_serial_is_a_file_of_the_tree(home: Served, front: Front) -> None:
    answer = front.get("/+serial")
    last = home.server.ledger.replication.standing().serial
    assert (answer.status_code, answer.content) == (200, b"%d\n" % last)
    assert (answer.headers.get("cache-control") == "max-age=0, must-revalidate") != lacks(front, "fresh")
    assert (answer.headers["content-type"] == "text/plain; charset=utf-8") != lacks(front, "types")
    assert front.get("/+serial", "HEAD").headers["content-length"] == str(len(answer.content))


def test_head_is_get_without_the_body(home: Served, front: Front) -> None:
    for path in (*PAGES, *(f"/{each}" for each in file_paths(home))):
        head, whole = front.get(path, "HEAD", Accept=PIP), front.get(path, Accept=PIP)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
        assert head.headers.get("etag") == whole.headers.get("etag")


def file_paths(home: Served) -> list[str]:
    """One wheel, and its metadata, relative to the tree."""
    wheel = min(home.tree.glob("main/+f/*/*.whl"))
    return [str(path.relative_to(home.tree)) for path in (wheel, Path(f"{wheel}.metadata"))]


def test_files_are_theirs_whole_and_in_part(home: Served, front: Front) -> None:
    for path in file_paths(home):
        content = (home.tree / path).read_bytes()
        answer = front.get(f"/{path}", Accept_Encoding="gzip")
        assert (answer.status_code, answer.content) == (200, content)
        assert "content-encoding" not in answer.headers
        assert (answer.headers.get("cache-control") == "max-age=31536000, immutable") != lacks(front, "immutable")
        if not lacks(front, "types"):
            metadata = path.endswith(".metadata")
            wanted = "text/plain; charset=utf-8" if metadata else "application/octet-stream"
            assert answer.headers["content-type"] == wanted
        for asked_for, part in (("bytes=0-9", content[:10]), ("bytes=-7", content[-7:]), ("bytes=20-", content[20:])):
            answer = front.get(f"/{path}", Range=asked_for)
            if lacks(front, "range"):
                assert (answer.status_code, answer.content) == (200, content)
            else:
                assert (answer.status_code, answer.content) == (206, part)
                assert answer.headers["content-range"].endswith(f"/{len(content)}")
        if not lacks(front, "range"):
            assert front.get(f"/{path}", Range="bytes=99999999-").status_code == 416
            tag = front.get(f"/{path}").headers["etag"]
            assert front.get(f"/{path}", If_None_Match=tag).status_code == 304


def test_a_forgotten_slash_and_a_name_as_people_write_it(front: Front) -> None:
    for page in ("/main/simple", "/main/simple/many-files", "/company/dev/simple/many-files"):
        answer = front.get(page)
        assert (answer.status_code, answer.headers["location"].removeprefix(front.url)) == (301, f"{page}/")
    for name in ("Many_Files", "many.files/", "many--files", "MANY-FILES/"):
        answer = front.get(f"/main/simple/{name}")
        if lacks(front, "name"):
            assert answer.status_code == 404
        else:
            assert (answer.status_code, answer.headers["location"]) == (301, "/main/simple/many-files/")


@pytest.mark.parametrize(
    "path",
    [
        "/main/simple/absent/",
        "/absent/simple/",
        f"/main/+f/{'0' * 64}/demo-1.0-py3-none-any.whl",
        "/main/+f/",
        "/.tmp/",
        "/main/simple/many-files/index.json.gz",
        "/main/simple/..%2f..%2f..%2fledger.db",
        "/main/simple/many-files/%2e%2e/%2e%2e/%2e%2e/%2e%2e/ledger.db",
    ],
)
def test_what_is_not_there_is_404_and_nothing_else_is_there(front: Front, path: str) -> None:
    if front.kind == "static" and path in ("/main/+f/", "/.tmp/", "/main/simple/many-files/index.json.gz"):
        return  # a server that knows files shows all of the tree
    answer = front.get(path)
    if lacks(front, "absent") and path == "/absent/simple/":
        assert answer.status_code == 401
        return
    assert answer.status_code in ((301, 400, 404) if "index.json" in path or "%" in path else (404,))
    assert b"SQLite" not in answer.content


@NEGOTIATING
@pytest.mark.parametrize("index", PRIVATE)
def test_only_whoever_may_read_a_private_index_does(home: Served, front: Front, index: str) -> None:
    page = f"/{index}/simple/secret/"
    wheel = next(iter(home.tree.glob(f"{index}/+f/*/*.whl"))).relative_to(home.tree)
    mine, other = home.make_token(index, "read"), home.make_token("main", "read")
    everything = home.make_token("*", "read")
    for path in (page, f"/{wheel}", f"/main/../{wheel}", f"/main/simple/../../{wheel}", f"//{wheel}"):
        answer = front.get(path, Accept=PIP)
        assert answer.status_code in ((401,) if path in (page, f"/{wheel}") else (301, 401, 404)), path
        assert b"Metadata-Version" not in answer.content
    for path in (page, f"/{wheel}", f"/{wheel}.metadata"):
        assert front.get(path, Accept=PIP).headers["www-authenticate"].startswith("Basic ")
        assert front.get(path, secret=other).status_code == 403
        for secret in (mine, everything):
            answer = front.get(path, secret=secret, Accept=PIP)
            assert answer.status_code == 200
            assert answer.headers["cache-control"].startswith("private, ")


def test_uploads_and_routes_reach_the_app(home: Served, front: Front) -> None:
    if front.kind == "static":
        assert front.get("/main/", "POST").status_code == 501
        return
    assert front.get("/main/", "POST").status_code == 401
    assert front.get("/+health").json().keys() == {"serial"}
    assert front.get("/+api/v1/status").json()["primary"] == ""


def test_what_only_the_app_can_say(front: Front) -> None:
    answer = front.get(PAGES[1], Accept="application/vnd.pypi.simple.v1+html")
    expected = "text/html" if lacks(front, "v1+html") else "application/vnd.pypi.simple.v1+html"
    assert answer.headers["content-type"].partition(";")[0] == expected
    assert front.get(PAGES[1], Accept="image/png").status_code == (200 if lacks(front, "406") else 406)


def test_the_doctor_finds_exactly_what_a_server_lacks(front: Front) -> None:
    config = PipConfig(index_url=front.url, cert=str(front.cert or ""))
    observed = examine(root_of(f"{front.url}/main"), "many-files", "", config) if front.kind != "static" else ()
    assert [each.name for each in observed if not each.ok] == []
    if front.kind == "static":
        found = {each.name: each for each in examine(f"{front.url}/main/simple/", "many-files", "", config)}
        assert {name for name, each in found.items() if not each.ok} == {"json", "gzip", "name", "freshness"}
        assert "days" in found["freshness"].follows


def compile_with_uv(front: Front, folder: Path, *options: object) -> str:
    """What uv resolves ``fresh`` to, with a cache in the folder, which is kept."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", "-q", "--no-header", "--no-annotate", *map(str, options), "-"],
        input="fresh\n",
        env={"PATH": os.environ["PATH"], "UV_CACHE_DIR": str(folder / "cache"), **front.environ},
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_uv_sees_a_new_version_on_a_page_that_is_thirty_days_old(home: Served, front: Front, tmp_path: Path) -> None:
    """Without Cache-Control a page is taken as fresh for a tenth of its age: three days."""
    index = f"sandbox/{front.kind}"
    (tmp_path / "uv.toml").write_text(uv_files(asked(front.url, index, ()))[0].text)
    ways = {
        "without": ("--no-config", "--default-index", f"{front.url}/{index}/simple/"),
        "with our uv.toml": ("--config-file", tmp_path / "uv.toml"),
    }
    publish(home, index, "fresh", "1.0")
    home.forget()
    for page in (home.tree / index / "simple" / "fresh").iterdir():
        os.utime(page, (time.time() - DAYS,) * 2)
    assert {compile_with_uv(front, tmp_path / way, *options) for way, options in ways.items()} == {"fresh==1.0"}
    publish(home, index, "fresh", "2.0")
    seen = {way: compile_with_uv(front, tmp_path / way, *options) for way, options in ways.items()}
    stale = "fresh==1.0" if lacks(front, "fresh") else "fresh==2.0"
    assert seen == {"without": stale, "with our uv.toml": "fresh==2.0"}


@NEGOTIATING
@pytest.mark.slow
def test_pips_second_resolve_is_answered_with_304(home: Served, front: Front, tmp_path: Path) -> None:
    names = [f"part_{number}" for number in range(20)]
    for name in names:
        publish(home, "parts", name, "1.0")
    home.forget()

    def resolve() -> list[str]:
        before = len(front.statuses())
        pip = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--ignore-installed", "--no-deps"]
        trusted = ["--trusted-host", front.url.partition("://")[2]]  # else pip keeps nothing that came without TLS
        done = subprocess.run(
            [*pip, *trusted, "--cache-dir", tmp_path, "--index-url", f"{front.url}/parts/simple/", *names],
            env={"PATH": os.environ["PATH"], **front.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return front.statuses()[before:]

    assert "304" not in resolve()
    again = resolve()
    assert again.count("304") >= 0.95 * len(again) >= 0.95 * len(names)


def test_every_lack_is_documented(front: Front) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    rows = {line.split("|")[1].strip().strip("`"): line for line in page.splitlines() if line.startswith("| `")}
    for what in LACKS.get(front.kind, ()):
        cells = [cell.strip() for cell in rows[what].split("|")[3:]]
        assert cells[["app", "nginx", "static"].index(front.kind)].startswith("no"), what


@NEGOTIATING
def test_the_json_pages_say_what_the_events_say(home: Served, front: Front) -> None:
    page = json.loads(front.get(PAGES[2], Accept=JSON).content)
    assert page["versions"] == [f"1.{number}" for number in range(20)]
    assert {file["requires-python"] for file in page["files"]} == {">=3.8"}
    for file in page["files"][:2]:
        path = f"{PAGES[2]}{file['url']}"
        assert sha256(front.get(os.path.normpath(path)).content).hexdigest() == file["hashes"]["sha256"]

"""The pages for people in a real Chromium: on a telephone and on a desk, in the light and in the dark."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import subprocess
import time
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.sql.plain import tagged
from buildfarm.adapters.sql.tables import index_events
from buildfarm.app.server.access import CHALLENGE
from buildfarm.farm.documents import put
from buildfarm.farm.render import PAGES as PAGES_OF
from buildfarm.farm.render import ROOTS
from buildfarm.model.events import FilePublished, FileYanked, IndexConfigured, Origin, ProjectMarked, Status, Tried
from buildfarm.model.index import Index
from buildfarm.model.wheel import Artifact, Verdict
from tests.conftest import cannot
from tests.e2e.serving import Served, make_wheel, serving

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{7*7}} \u202egnp.exe\u202c \x1b[31m"
LINUX = "manylinux_2_17_x86_64"
PAGES = (
    "/+ui/",
    "/+ui/company/dev/",
    "/+ui/company/dev/ujson",
    "/+ui/company/dev/ujson?version=5.9",
    "/+ui/company/dev/worse",
    "/+ui/company/dev/worst",
    "/+ui/search?q=ujson",
    "/+ui/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/+ui/changes",
    "/+ui/changes?index=company/dev",
)


class Chromium:
    """A browser without a window, told what to do over a pipe (the DevTools protocol)."""

    def __init__(self, program: str, folder: Path) -> None:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        # The protocol's pipes are numbers 3 and 4. As root, no sandbox of its own works.
        script = f'exec "$@" 3<&{to_read} 4>&{from_write}'
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
        quiet = (
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={folder}",
            "--disable-dev-shm-usage",
        )
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", program, *options, *quiet],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self._to, self._from = os.fdopen(to_write, "wb", buffering=0), os.fdopen(from_read, "rb")
        self._numbers = itertools.count(1)
        self.heard: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; what is heard in between is kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.heard.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, url: str) -> None:
        """Open a page and wait until all of it is loaded."""
        self.heard.clear()
        self.call("Page.navigate", url=url)
        self._await("Page.loadEventFired")

    def click(self, selector: str) -> None:
        """Click on an element and give what follows a moment."""
        self.evaluate(f"document.querySelector({selector!r}).click()")
        time.sleep(0.5)

    def evaluate(self, expression: str) -> Any:
        """What the expression comes to in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def show(self, width: int, scheme: str) -> None:
        """Be as wide as a telephone or a desk, in the light or in the dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def complaints(self) -> list[str]:
        """Errors, refusals of the policy, and dialogues since the last page was opened."""
        self.evaluate("1")
        kinds = (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Page.javascriptDialogOpening",
            "Audits.issueAdded",
        )
        return [
            json.dumps(each)
            for each in self.heard
            if each.get("method") in kinds
            or (each.get("method") == "Log.entryAdded" and each["params"]["entry"]["level"] in ("error", "warning"))
        ]

    def close(self) -> None:
        with suppress(OSError):
            self._to.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()

    def _await(self, method: str) -> None:
        while not any(each.get("method") == method for each in self.heard):
            self.heard.append(self._next())

    def _next(self) -> dict[str, Any]:
        found = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser has ended"
            found += byte
        return dict(json.loads(found))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        cannot("no chromium on PATH (apt-get install chromium)")
    chromium = Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Indexes with a project tested in many places, hostile ones, and documentation full of scripts."""
    with serving(tmp_path_factory.mktemp("pages") / "home") as served:
        served.make_index("company/base")
        served.make_index("company/dev", bases=("company/base",), volatile=True)
        served.make_index("lab", bases=("company/base",), private=True)
        for version, python, platform in itertools.product(
            ("5.9", "6.0", "6.1"), ("cp311", "cp312", "cp313"), (LINUX, "musllinux_1_2_x86_64", "win_amd64")
        ):
            verdict = Verdict.SKIPPED if platform.startswith("musl") else Verdict.PASSED
            tried = Tried(target=f"{python}-{platform}", verdict=verdict, reason="no server image for musl")
            publish(served, "company/base", "ujson", version, f"{python}-{python}-{platform}", "Fast JSON", (tried,))
        bad = Tried(target="cp311-<svg onload=alert(3)>", verdict=Verdict.SKIPPED, reason=HOSTILE)
        for name in ("worse", "worst"):
            publish(
                served, "company/dev", name, "1.0", "py3-none-any", HOSTILE, (bad,), who=HOSTILE.replace("\x1b", "")
            )
        events = served.server.ledger.events
        events.append("company/dev", FileYanked(project="worse", filename="worse-1.0-py3-none-any.whl", reason=HOSTILE))
        events.append("company/dev", ProjectMarked(project="worst", status=Status.QUARANTINED, reason=HOSTILE))
        publish(served, "lab", "moonshot", "0.1", "py3-none-any", "Nobody knows", ())
        publish(served, "lab/+pending", "moonshot", "0.2", "py3-none-any", "Nobody knows", ())
        yield served


def publish(
    served: Served,
    index: str,
    name: str,
    version: str,
    tag: str,
    summary: str,
    tried: tuple[Tried, ...],
    who: str = "ci",
) -> None:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {summary}",
        "Project-URL: Home, https://home.example/",
        "Project-URL: Evil, javascript:alert(4)",
        "",
        f"{summary}\n" * 20 + "A" * 1_000_000,
    ]
    content = "\n".join(lines).encode()
    artifact = Artifact(name=f"{name}-{version}-{tag}.whl", size=1, sha256=sha256(tag.encode()).hexdigest())
    folder = served.tree / index / "+f" / artifact.sha256
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{artifact.name}.metadata").write_bytes(content)
    payload = FilePublished(
        project=name,
        version=version,
        artifact=artifact,
        metadata_sha256=sha256(content).hexdigest(),
        uploaded="2026-01-02T03:04:05Z",
        origin=Origin.UPLOADED,
        tried=tried,
    )
    served.server.ledger.events.append(index, payload, who)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_fits_and_nothing_complains(site: Served, browser: Chromium, width: int, scheme: str) -> None:
    browser.show(width, scheme)
    for path in PAGES:
        browser.open(f"{site.url}{path}")
        assert browser.complaints() == [], path
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1, path
        assert (
            browser.evaluate("document.scripts.length + document.querySelectorAll('[onerror],[onload],img').length")
            == 0
        )
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor !== 'rgba(0, 0, 0, 0)'"), path
        if folder := os.environ.get("BUILDFARM_SCREENSHOTS"):
            shot = browser.call("Page.captureScreenshot", format="png")["data"]
            name = f"{width}-{scheme}-{path.strip('/').replace('/', '_').replace('?', '_')[:40]}.png"
            Path(folder, name).write_bytes(b64decode(shot))


def test_text_can_be_read_in_the_light_and_in_the_dark(site: Served, browser: Chromium) -> None:
    """Contrast of all text of at least 4.5 (WCAG 2.2, 1.4.3)."""
    for scheme in ("light", "dark"):
        browser.show(1280, scheme)
        for path in ("/+ui/company/dev/ujson", "/+ui/company/dev/worse", "/+ui/"):
            browser.open(f"{site.url}{path}")
            assert browser.evaluate(PALE) == [], (scheme, path)


PALE = """(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const linear = part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) =>
    0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const paint = parts(getComputedStyle(node).backgroundColor);
      if (paint.length < 4 || paint[3] > 0) return paint;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll('main *')) {
    if (![...node.childNodes].some(each => each.nodeType === 3 && each.textContent.trim())) continue;
    const both = [light(parts(getComputedStyle(node).color)), light(behind(node))];
    if ((Math.max(...both) + 0.05) / (Math.min(...both) + 0.05) < 4.5)
      bad.push(node.className + ': ' + node.textContent.slice(0, 40));
  }
  return bad;
})()"""


def test_a_person_finds_a_project_and_what_was_tested(site: Served, browser: Chromium) -> None:
    browser.show(1280, "light")
    browser.open(f"{site.url}/")
    assert browser.evaluate("location.pathname") == "/+ui/"
    assert "lab" not in str(browser.evaluate("document.querySelector('.tree').innerText"))
    browser.evaluate("document.querySelector('input[name=q]').value = 'fast json'")
    browser.click("header button")
    assert browser.evaluate("location.search") == "?q=fast+json"
    browser.click("main th a")
    assert browser.evaluate("document.querySelector('h1').innerText") == "ujson 6.1"
    assert browser.evaluate(
        "[...document.querySelectorAll('.matrix tbody tr:first-child td')].map(e => e.className)"
    ) == (["passed"] * 3 + ["skipped"] * 3 + ["passed"] * 3)
    assert "no server image for musl" in str(browser.evaluate("document.querySelector('.files').innerText"))
    command = str(browser.evaluate("document.querySelector('.command').innerText"))
    assert command == f"pip install --index-url {site.url}/company/base/simple/ ujson"
    links = browser.evaluate("[...document.querySelectorAll('.about a')].map(e => [e.href, e.rel])")
    assert links == [["https://home.example/", "nofollow noopener noreferrer"]]


def test_what_waits_is_shown_with_the_reason(site: Served, browser: Chromium) -> None:
    name, content = make_wheel("waiter", "1.0", "Summary: Waits")
    assert site.upload("company/dev", name, content, site.make_token("company/dev", note="anna")).status_code == 200
    browser.open(f"{site.url}/+ui/company/dev/")
    waiting = str(browser.evaluate("document.querySelector('#waiting').parentElement.innerText"))
    assert name in waiting
    assert "its tests are not over" in waiting
    assert "anna" in waiting
    assert "waiter" not in str(browser.evaluate("document.querySelector('#projects').parentElement.innerText"))
    browser.click("section table a")
    assert browser.evaluate("location.pathname") == "/+ui/company/dev/+pending/waiter"
    browser.open(f"{site.url}/+ui/")
    assert "1 waiting" in str(browser.evaluate("document.querySelector('.tree').innerText"))


def test_what_may_not_be_read_is_nowhere(site: Served) -> None:
    secret = site.make_token("lab", "read")
    for path in ("/+ui/", "/+ui/search?q=moonshot", "/+ui/changes", "/+ui/changes.atom"):
        assert "moonshot-0.1" not in site.get(path).text
        assert "/+ui/lab/" not in site.get(path).text
        told = site.get(path, secret)
        assert "/+ui/lab/" in told.text
        assert told.headers["cache-control"] == "private, no-store"
    for path in ("/+ui/lab/+pending/+pending/", "/+ui/lab/+pending/+pending/moonshot"):
        assert site.get(path).status_code == 404
    for path in (
        "/+ui/lab/",
        "/+ui/lab/moonshot",
        "/+ui/lab/+pending/moonshot",
        "/+ui/changes?index=lab",
        "/+ui/changes.atom?index=lab",
    ):
        refused = site.get(path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, CHALLENGE)
        assert site.get(path, site.make_token("company/dev", "read")).status_code == 403
        assert site.get(path, secret).status_code == 200


def test_an_index_that_may_not_be_read_is_not_named(site: Served) -> None:
    site.make_index("vault", private=True)
    site.make_index("shop", bases=("vault",))
    publish(site, "vault", "ghost", "1.0", "py3-none-any", "A ghost", ())
    promoted = FilePublished(
        project="ghost",
        version="2.0",
        artifact=Artifact(name="ghost-2.0-py3-none-any.whl", size=1, sha256="0" * 64),
        metadata_sha256="",
        uploaded="2026-01-02T03:04:05Z",
        origin=Origin.PROMOTED,
        source="vault",
    )
    site.server.ledger.events.append("shop", promoted, "ci")

    def text(path: str, secret: str = "") -> str:
        return re.sub(r"<[^>]*>", "", site.get(path, secret).text)  # links to files have the path of their index

    secret = site.make_token("vault", "read")
    paths = ("", "shop/", "shop/ghost", "shop/ghost?version=1.0", "search?q=ghost", "changes", "changes.atom")
    assert [path for path in paths if "vault" in text(f"/+ui/{path}")] == []
    told = [path for path in paths if "vault" in text(f"/+ui/{path}", secret)]
    assert told == [path for path in paths if path != "search?q=ghost"]
    assert "promoted from vault" in text("/+ui/shop/ghost", secret)


def test_twenty_thousand_projects_are_listed_and_searched_in_no_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    crowd(home, 20_000)
    with serving(home) as served:
        for path in (
            "/+ui/",
            "/+ui/dev/?page=99",
            "/+ui/search?q=project+99",
            "/+ui/changes",
            "/+ui/dev/project-00042",
        ):
            took = []
            for _ in range(5):
                began = time.process_time()  # the server's too, and not of what else this machine does
                assert served.get(path).status_code == 200, path
                took.append(time.process_time() - began)
            assert min(took) < 0.2, (path, took)


def crowd(home: Path, count: int) -> None:
    """A ledger with so many projects on ``base``, which ``dev`` inherits, as if all their pages were on disk."""
    ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
    for index in (Index(name="base"), Index(name="dev", bases=("base",))):
        ledger.events.append(index.name, IndexConfigured(index=index))
    rows = []
    for number in range(count):
        name = f"project-{number:05}"
        artifact = Artifact(name=f"{name.replace('-', '_')}-1.0-py3-none-any.whl", size=1, sha256=f"{number:064x}")
        came = FilePublished(
            project=name, version="1.0", artifact=artifact, metadata_sha256="", uploaded="2026-01-02T03:04:05Z"
        )
        kept = {"index_name": "base", "project": name, "kind": "FilePublished", "file": artifact.name, "who": "ci"}
        rows.append({**kept, "payload": tagged(came), "at": 1.0})
    with ledger.database.writing() as tx:
        tx.connection.execute(insert(index_events), rows)
    for what in (PAGES_OF, ROOTS):
        ledger.rendering.advance(what, len(rows) + 2)
    ledger.database.close()


def test_addresses(site: Served) -> None:
    def answer(path: str) -> tuple[int, str]:
        found = site.get(path)
        return found.status_code, found.headers.get("location", "")

    assert answer("/+ui") == (308, "/+ui/")
    assert answer("/+ui/company/dev") == (308, "/+ui/company/dev/")
    assert answer("/+ui/company/dev/UJson") == (308, "/+ui/company/dev/ujson")
    for path in (
        "/+ui/nowhere/",
        "/+ui/company/dev/nothing",
        "/+ui/company/dev/ujson?version=9",
        "/+ui/changes?index=x",
    ):
        assert answer(path) == (404, "")
    for path in (
        "//evil.example/+doc/x",
        "//evil.example/+doc/x/1/",
        "/+ui//evil.example/",
        "/company/base/+doc/%00/1/",
    ):
        assert answer(path) == (404, "")
    page = site.get("/+ui/company/dev/ujson")
    known = site.get("/+ui/company/dev/ujson", If_None_Match=page.headers["etag"])
    assert (known.status_code, known.content) == (304, b"")
    head = site.get("/+ui/company/dev/ujson", method="HEAD")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", page.headers["etag"])
    assert len(page.content) < 300_000  # of a description of a megabyte


DOCS = {
    "index.html": """<!DOCTYPE html><meta charset=utf-8><title>Docs</title><link rel=stylesheet href=_static/s.css>
<script src=_static/x.js></script><h1>Docs</h1><p id=told></p><p id=stolen></p>
<script>told.textContent = 'inline ' + window.loaded;
fetch('/+ui/').then(answer => answer.text()).then(text => stolen.textContent = text).catch(() => 0);
try { localStorage.x = 1; stolen.textContent = 'stored' } catch (error) {}</script>
<form action=search.html><input name=q value=word><button id=search></button></form>
<form action=/company/base/ method=post><input name=x><button id=evil></button></form>""",
    "_static/s.css": "h1 { color: rgb(1, 2, 3) }",
    "_static/x.js": "window.loaded = 'and loaded'",
    "search.html": "<title>Search</title>",
}


def test_documentation_runs_its_scripts_and_reaches_nothing(site: Served, browser: Chromium) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in DOCS.items():
            archive.writestr(path, text)
    token, fields = site.make_token("company/base"), {"version": "6.1", "action": "doc_upload"}
    sent = site.upload("company/base", "ujson-docs.zip", content.getvalue(), token, **fields)
    assert sent.status_code == 200, sent.text
    browser.open(f"{site.url}/company/base/+doc/ujson/latest/")
    assert browser.evaluate("location.pathname") == "/company/base/+doc/ujson/6.1/"
    assert browser.evaluate("document.getElementById('told').textContent") == "inline and loaded"
    assert browser.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert browser.evaluate("self.origin") == "null"
    time.sleep(0.3)
    assert browser.evaluate("document.getElementById('stolen').textContent") == ""
    site.heard.clear()
    browser.click("#evil")
    assert browser.evaluate("location.pathname") == "/company/base/+doc/ujson/6.1/"
    browser.click("#search")
    assert browser.evaluate("document.title") == "Search"
    assert not [each for each in site.heard if "POST" in each or "/+ui/ " in each]


def test_who_may_not_read_an_index_has_not_its_documentation(site: Served) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.html", "secret")
    content.seek(0)
    put(site.server.serving.site().farm, "lab", "moonshot", "0.1", content)
    path = "/lab/+doc/moonshot/0.1/"
    assert site.get(path).status_code == 401
    found = site.get(path, site.make_token("lab", "read"))
    assert (found.text, found.headers["cache-control"]) == ("secret", "private, no-store")
    assert found.headers["content-security-policy"].startswith("sandbox ")
    for hidden in (
        ".0.1/x/index.html",
        "0.1/.whole",
        "0.1/%2e%2e/0.1/index.html",
        "0.1/..%2f..%2fx",
        "0.1/%00",
        "0.1/" + "x" * 999,
        "0.1//etc/hosts",
        "0.1/%2fetc/hosts",
        "0.1/a//../../x",
    ):
        assert site.get(f"/lab/+doc/moonshot/{hidden}", site.make_token("lab", "read")).status_code in (404, 302)

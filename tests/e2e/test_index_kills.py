"""``kill -9`` at every point of what changes an index; then the same again goes on, and nothing is lost or doubled.

A process of its own does it over a ledger, a store and a tree on disk, and kills itself at the n-th point that it
passes, for every n. Sessions are in memory: how those end is the business of other tests.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.farm.checkup import check
from buildfarm.farm.documents import put
from buildfarm.farm.indexes import change, force_delete_index
from buildfarm.farm.promote import promote
from buildfarm.farm.receive import Incoming, receive
from buildfarm.farm.tick import tick
from buildfarm.farm.withdraw import delete
from buildfarm.farm.work import work_one
from buildfarm.model.errors import Refused
from buildfarm.model.events import IndexConfigured
from buildfarm.model.index import Index
from buildfarm.model.wheel import Verdict
from tests.unit.farm.test_memory_story import Farm, Machine, wheel

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

ANY = (Verdict.PASSED, Verdict.SKIPPED, Verdict.NOT_RUN)
NAME = "demo-1.0-py3-none-any.whl"
FIRST, OTHER = wheel("demo", "1.0"), wheel("demo", "1.0", body=b"other = 1\n")


class Home(Farm):
    """A farm over what is on the disk of a home."""

    def __init__(self, home: Path, crash: Callable[[str], None]) -> None:
        ledger = Ledger(f"sqlite:///{home / 'ledger.db'}", folder=home / "locks", crash=crash)
        store = LocalStore(home / "store", crash)
        tree = FileTree(home / "index", store.path, crash)
        super().__init__(Machine(lambda _: wheel("demo", "1.0")), over=(ledger, store, tree))

    def upload(self, index: str, content: bytes, name: str = NAME) -> None:
        digest, file = sha256(content).hexdigest(), io.BytesIO(content)
        incoming = Incoming(index=index, filename=name, content=file, size=len(content), sha256=digest, who="ada")
        receive(self.coordinator, incoming)

    def settle(self) -> None:
        while True:
            tick(self.coordinator)
            if not self.coordinator.requests.open_requests():
                return
            work_one(self.place, self.worker)


@contextmanager
def opened(home: Path, crash: Callable[[str], None] = lambda _: None) -> Iterator[Home]:
    with closing((made := Home(home, crash)).ledger.database):
        yield made


def prepare(home: Path) -> None:
    """``sandbox`` takes and deletes everything, ``heir`` inherits from it; ``dev`` tests what it takes."""
    home.mkdir()
    with opened(home) as site:
        for index in (
            Index(name="sandbox", accepts=ANY, volatile=True),
            Index(name="heir", bases=("sandbox",)),
            Index(name="dev"),
            Index(name="qa"),
        ):
            site.coordinator.events.append(index.name, IndexConfigured(index=index))
        site.upload("sandbox", FIRST)
        site.upload("sandbox", wheel("second", "1.0"), "second-1.0-py3-none-any.whl")
        site.upload("dev", FIRST)
        site.settle()


def a_new_version(site: Home) -> None:
    site.upload("sandbox", wheel("demo", "2.0"), "demo-2.0-py3-none-any.whl")
    tick(site.coordinator)


def other_bytes(site: Home) -> None:
    site.upload("sandbox", OTHER)
    tick(site.coordinator)


def an_upload_that_waits(site: Home) -> None:
    site.upload("dev", wheel("demo", "2.0"), "demo-2.0-py3-none-any.whl")


def a_test_that_is_over(site: Home) -> None:
    site.upload("dev", wheel("demo", "2.0"), "demo-2.0-py3-none-any.whl")
    tick(site.coordinator)
    work_one(site.place, site.worker)


def what_lets_it_through(site: Home) -> None:
    site.settle()


def a_promotion(site: Home) -> None:
    promote(site.coordinator, ["demo==1.0"], source="dev", target="qa")
    tick(site.coordinator)


def a_deletion(site: Home) -> None:
    try:
        delete(site.coordinator, ["demo==1.0"], index="sandbox")
    except Refused as refused:
        assert "has no demo==1.0" in str(refused)  # noqa: PT017 - it was deleted before the kill
    tick(site.coordinator)


def other_bases(site: Home) -> None:
    change(site.coordinator, Index(name="heir", bases=("qa", "dev")))


def an_index_that_goes(site: Home) -> None:
    if "sandbox" in site.coordinator.events.indexes():
        force_delete_index(site.coordinator, "sandbox")
    tick(site.coordinator)


def documentation(site: Home, text: str = "first") -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.html"), text)
    content.seek(0)
    put(site.coordinator, "sandbox", "demo", "1.0", content)
    assert site.tree.read("sandbox/+doc/demo/1.0/index.html") == text.encode()


def other_documentation(site: Home) -> None:
    documentation(site, "second")


def nothing(_: Home) -> None:
    pass


ACTIONS = (
    (nothing, a_new_version),
    (nothing, other_bytes),
    (nothing, an_upload_that_waits),
    (a_test_that_is_over, what_lets_it_through),
    (nothing, a_promotion),
    (nothing, a_deletion),
    (nothing, other_bases),
    (nothing, an_index_that_goes),
    (documentation, other_documentation),
)


def pages(home: Path) -> dict[str, Any]:
    """What every page offers, and that all of it is whole right now: the bytes, and the metadata beside them."""
    found = {}
    for page in sorted((home / "index").rglob("simple/*/index.json")):
        files = json.loads(page.read_text())["files"]
        for file in files:
            path = (page.parent / file["url"]).resolve()
            assert sha256(path.read_bytes()).hexdigest() == file["hashes"]["sha256"]
            assert sha256(Path(f"{path}.metadata").read_bytes()).hexdigest() == file["core-metadata"]["sha256"]
        names = [file["filename"] for file in files]
        assert len(names) == len(set(names))
        found[str(page.relative_to(home))] = {file["filename"]: file["hashes"]["sha256"] for file in files}
    return found


def killed(home: Path, action: Callable[[Home], None], number: int) -> bool:
    """Do it in a process that kills itself at that point; False where it came to its end before."""
    child = os.fork()
    if not child:
        code = 1
        try:
            passed = iter(range(number, -1, -1))

            def crash(_: str) -> None:
                if next(passed, -1) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            with opened(home, crash) as site:
                action(site)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def ended(home: Path) -> tuple[dict[str, Any], list[tuple[str, str, str]], list[tuple[str, str, str]], int]:
    """What is on the pages, the publications, what was said of files, and how many requests are open."""
    with opened(home) as site:
        assert check(site.coordinator) == ()
        requests = len(site.coordinator.requests.open_requests())
        publications = [(each.index, each.artifact.name, each.state) for each in site.coordinator.events.publications()]
        events = [
            (each.index, repr(type(each.payload)), each.payload.project) for each in site.coordinator.events.since(0)
        ]
    return pages(home), sorted(publications), sorted(events), requests


@pytest.mark.parametrize(("first", "action"), ACTIONS, ids=[action.__name__ for _, action in ACTIONS])
def test_whoever_kills_it_the_same_again_finishes_it(
    tmp_path: Path, first: Callable[[Home], None], action: Callable[[Home], None]
) -> None:
    fresh, whole = tmp_path / "fresh", tmp_path / "whole"
    prepare(fresh)
    with opened(fresh) as site:
        first(site)
    shutil.copytree(fresh, whole, symlinks=True)
    before = pages(fresh)
    with opened(whole) as site:
        action(site)
    wanted = ended(whole)
    for number in range(500):
        home = tmp_path / str(number)
        shutil.copytree(fresh, home, symlinks=True)
        if not killed(home, action, number):
            assert number > 10
            return
        for page, files in pages(home).items():
            assert files.items() >= before.get(page, {}).items() or files.items() <= wanted[0].get(page, {}).items()
        with opened(home) as site:
            action(site)
        assert ended(home) == wanted, f"killed at point {number}"
    raise AssertionError("it never ends")

"""What comes back while it is collected, at whatever moment, is there whole; two processes over one home."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.farm import documents
from buildfarm.farm.checkup import check, rebuild
from buildfarm.farm.collect import collect
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.indexes import create, force_delete_index
from buildfarm.farm.receive import Incoming, receive
from buildfarm.farm.withdraw import delete
from buildfarm.model.index import Index
from buildfarm.model.wheel import Verdict
from tests.unit.farm.test_memory_story import Farm, Machine, wheel

NAME, WHEEL = "demo-1.0-py3-none-any.whl", wheel("demo", "1.0")
YEARS = 20 * 365 * 86400


class Home:
    """What processes of a home share, and the ledgers that are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledgers: list[Ledger] = []

    def process(self) -> Coordinator:
        """What another process has of it."""
        ledger = Ledger(f"sqlite:///{self.folder / 'ledger.db'}", folder=self.folder / "locks")
        self.ledgers.append(ledger)
        store = LocalStore(self.folder / "store")
        return replace(
            Farm(Machine(lambda _: b"")).coordinator,
            events=ledger.events,
            rendering=ledger.rendering,
            replication=ledger.replication,
            jobs=ledger.jobs,
            store=store,
            tree=FileTree(self.folder / "index", store.path),
            clock=lambda: "2036-01-01T00:00:00Z",  # years after all events
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """``sandbox`` had a wheel and other documentation of it."""
    made = Home(tmp_path)
    farm = made.process()
    create(farm, Index(name="sandbox", volatile=True, accepts=tuple(Verdict)))
    an_upload(farm)
    the_documentation(farm)
    delete(farm, [NAME], index="sandbox")
    the_documentation(farm, "new")
    yield made
    for ledger in made.ledgers:
        ledger.database.close()


def an_upload(farm: Coordinator) -> str:
    digest = sha256(WHEEL).hexdigest()
    receive(farm, Incoming(index="sandbox", filename=NAME, content=io.BytesIO(WHEEL), size=len(WHEEL), sha256=digest))
    return digest


def the_documentation(farm: Coordinator, text: str = "old") -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.html"), text)
    content.seek(0)
    documents.put(farm, "sandbox", "demo", "1.0", content)
    return sha256(content.getvalue()).hexdigest()


class Meanwhile:
    """Does something in another process when a method is called for the first time, as far as that is let."""

    def __init__(self, patch: pytest.MonkeyPatch, where: object, method: str, do: Callable[[], object]) -> None:
        self._begun: list[Future[object]] = []
        self._pool = ThreadPoolExecutor()
        whole = getattr(where, method)

        def called(*args: Any, **more: Any) -> Any:
            if not self._begun:
                self._begun.append(self._pool.submit(do))
                wait(self._begun, timeout=0.2)
            return whole(*args, **more)

        patch.setattr(where, method, called)

    def end(self) -> Any:
        with self._pool:
            (done,) = self._begun
            return done.result(timeout=10)


@pytest.mark.parametrize("comes", [an_upload, the_documentation])
@pytest.mark.parametrize(("part", "method"), [("tree", "clear"), ("store", "remove")])
def test_what_comes_while_it_is_collected(
    home: Home, monkeypatch: pytest.MonkeyPatch, comes: Callable[[Coordinator], str], part: str, method: str
) -> None:
    farm, other = home.process(), home.process()
    meanwhile = Meanwhile(monkeypatch, getattr(farm, part), method, lambda: comes(other))
    collect(farm, older_than=0)
    digest = meanwhile.end()
    assert check(farm) == ()
    assert farm.store.has(digest)
    assert any(farm.tree.names(f"sandbox/+f/{digest}"))


@pytest.mark.parametrize(
    ("comes", "part", "method"),
    [(an_upload, "events", "want"), (the_documentation, "tree", "link"), (the_documentation, "events", "append")],
)
def test_what_is_collected_while_it_comes(
    home: Home, monkeypatch: pytest.MonkeyPatch, comes: Callable[[Coordinator], str], part: str, method: str
) -> None:
    farm, other = home.process(), home.process()
    meanwhile = Meanwhile(monkeypatch, getattr(farm, part), method, lambda: collect(other, older_than=0))
    digest = comes(farm)
    meanwhile.end()
    assert check(farm) == ()
    assert farm.store.has(digest)
    assert any(farm.tree.names(f"sandbox/+f/{digest}"))


@pytest.mark.parametrize("mending", [check, rebuild])
def test_what_is_on_its_way_is_not_taken_for_a_stray(
    home: Home, monkeypatch: pytest.MonkeyPatch, mending: Callable[[Coordinator], object]
) -> None:
    farm, other = home.process(), home.process()
    collect(farm, older_than=0)
    meanwhile = Meanwhile(monkeypatch, farm.events, "append", lambda: mending(other))
    digest = the_documentation(farm, "newer")
    assert meanwhile.end() in ((), ((), ()))
    assert any(farm.tree.names(f"sandbox/+f/{digest}"))


def gone(farm: Coordinator, older_than: float) -> set[str]:
    return {each.filename for each in collect(farm, older_than=older_than)}


@pytest.mark.parametrize(
    "goes",
    [
        partial(the_documentation, text="newer"),
        lambda farm: documents.drop(farm, "sandbox", "demo", "1.0"),
        lambda farm: force_delete_index(farm, "sandbox"),
    ],
    ids=["replaced", "dropped", "with its index"],
)
def test_a_zip_of_documentation_stays_for_a_while(home: Home, goes: Callable[[Coordinator], object]) -> None:
    farm = home.process()
    with home.ledgers[-1].database.writing() as tx:
        tx.connection.execute(update(t.index_events).values(at=0.0))
    goes(farm)
    assert gone(farm, YEARS) <= {NAME}
    assert gone(farm, 0) >= {"demo-1.0.docs.zip"}

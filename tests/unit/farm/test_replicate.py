"""A replica follows its primary: real ledgers, stores and trees; between them no network, so that all can be said."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import IO, TypeVar
from zipfile import ZipFile, ZipInfo

import pytest

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.farm import documents
from buildfarm.farm.checkup import check
from buildfarm.farm.collect import collect
from buildfarm.farm.render import catch_up
from buildfarm.farm.replicate import replicate
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.events import FileDeleted, FilePublished, FileYanked, IndexConfigured, IndexDeleted, ProjectMarked
from buildfarm.model.events import Status as ProjectStatus
from buildfarm.model.index import Index
from buildfarm.model.standing import Changes, Standing
from tests.farms import farm_over
from tests.unit.farm.test_collect import Meanwhile

T = TypeVar("T")


@dataclass
class Home:
    """A home, and the server of it that replicas ask (``ports.Primary``), a few events at a time."""

    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(folder=self.folder / "locks")
        self.store = LocalStore(self.folder / "store")
        self.tree = FileTree(self.folder / "index", self.store.path)
        self.farm = farm_over(self.ledger, self.store, self.tree)

    def publish(self, index: str, name: str, content: bytes = b"", replaces: str = "") -> FilePublished:
        artifact = self.store.put(name, io.BytesIO(content or name.encode()))
        path, metadata = f"{index}/+f/{artifact.sha256}/{name}", f"Name: {name}\n".encode()
        assert self.tree.link(path, artifact)
        self.tree.write(f"{path}.metadata", metadata)
        project, version = name.split("-")[:2]
        published = FilePublished(
            project=project,
            version=version,
            artifact=artifact,
            metadata_sha256=sha256(metadata).hexdigest(),
            uploaded="2026-11-21T12:00:00Z",
            replaces=replaces,
        )
        self.ledger.events.append(index, published, "ann")
        self.show()
        return published

    def lose(self, index: str, published: FilePublished) -> None:
        """Remove the bytes, as a collection of what was deleted does."""
        path = f"{index}/+f/{published.artifact.sha256}/{published.artifact.name}"
        self.tree.remove(path)
        self.tree.remove(f"{path}.metadata")
        self.store.path(published.artifact.sha256).unlink()

    def show(self) -> None:
        catch_up(self.farm)

    def changes(self, since: int) -> Changes:
        return Changes(standing=self.ledger.replication.standing(), events=self.ledger.replication.after(since, 3))

    def fetch(self, path: str, take: Callable[[IO[bytes]], T]) -> T | None:
        self.asked.append(path)
        content = self.tree.read(path)
        return None if content is None else take(io.BytesIO(content))

    def files(self) -> dict[str, bytes]:
        """Everything that a web server would serve."""
        folder = self.folder / "index"
        whole = (path for path in folder.rglob("*") if path.is_file() and ".tmp" not in path.parts)
        return {str(path.relative_to(folder)): path.read_bytes() for path in whole}


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "old", "https://old.example")
    yield home
    home.ledger.database.close()


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "new", "https://new.example")
    yield home
    home.ledger.database.close()


def test_a_replica_has_the_same_events_pages_and_files(old: Home, new: Home) -> None:
    old.ledger.events.append("dev", IndexConfigured(index=Index(name="dev", bases=("main",), private=True)), "root")
    for number in range(7):
        old.publish("main", f"demo-{number}-py3-none-any.whl")
    old.ledger.events.append(
        "main", FileYanked(project="demo", filename="demo-3-py3-none-any.whl", reason="bad"), "bob"
    )
    old.ledger.events.append("main", ProjectMarked(project="demo", status=ProjectStatus.DEPRECATED))
    old.show()
    assert replicate(new.farm, old) == Standing(primary=old.url, serial=old.ledger.replication.standing().serial)
    assert new.ledger.events.since(0) == old.ledger.events.since(0)
    assert new.files() == old.files()
    assert new.ledger.events.indexes() == old.ledger.events.indexes()
    old.asked.clear()
    old.publish("main", "demo-8-py3-none-any.whl")
    replicate(new.farm, old)
    assert new.files() == old.files()
    assert {path.partition("/+f/")[2][65:].partition(".whl")[0] for path in old.asked} == {"demo-8-py3-none-any"}


def test_documentation_is_replicated(old: Home, new: Home) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    for version in ("1.0", "2.0"):
        content = io.BytesIO()
        with ZipFile(content, "w") as archive:
            archive.writestr(ZipInfo("index.html"), version)
        content.seek(0)
        documents.put(old.farm, "main", "demo", version, content)
    documents.drop(old.farm, "main", "demo", "1.0")
    replicate(new.farm, old)
    assert documents.documented(new.farm, "main", "demo") == ("2.0",)
    shown = {path: content for path, content in new.files().items() if "/+doc/" in path}
    assert shown == {path: old.files()[path] for path in shown}
    assert b"2.0" in shown.values()


def test_a_replica_refuses_to_write_and_says_who_does(old: Home, new: Home) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    with pytest.raises(Refused, match=r"only reads: send it to https://old\.example") as refused:
        new.publish("main", "demo-2-py3-none-any.whl")
    assert refused.value.status == 503


def test_what_was_deleted_and_collected_does_not_stop_a_replica(old: Home, new: Home) -> None:
    gone = old.publish("main", "demo-1-py3-none-any.whl")
    for number in range(2, 9):
        old.publish("main", f"demo-{number}-py3-none-any.whl")
    old.ledger.events.append("main", FileDeleted(project="demo", filename=gone.artifact.name))
    swapped = old.publish("main", "swap-1-py3-none-any.whl", b"first")
    old.publish("main", "swap-1-py3-none-any.whl", b"second", replaces=swapped.artifact.sha256)
    sandbox = old.publish("box", "demo-1-py3-none-any.whl", b"tried out")
    old.ledger.events.append("box", IndexDeleted())
    for index, each in (("main", gone), ("main", swapped), ("box", sandbox)):
        old.lose(index, each)
    old.show()
    replicate(new.farm, old)
    assert new.files() == old.files()
    assert gone.artifact.name.encode() not in new.files()["main/simple/demo/index.html"]


def test_what_it_brings_is_not_collected_before_its_events_are_there(
    old: Home, new: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    old.publish("main", "demo-2-py3-none-any.whl")
    meanwhile = Meanwhile(monkeypatch, new.ledger.replication, "take", lambda: collect(new.farm, older_than=0))
    replicate(new.farm, old)
    meanwhile.end()
    assert check(new.farm) == ()


def test_a_file_that_a_page_links_to_must_be_there_and_be_it(old: Home, new: Home) -> None:
    published = old.publish("main", "demo-1-py3-none-any.whl")
    path = f"main/+f/{published.artifact.sha256}/{published.artifact.name}"
    old.tree.remove(path)
    with pytest.raises(FarmError, match=r"https://old\.example lacks a file of its own: main/\+f/"):
        replicate(new.farm, old)
    old.tree.write(path, b"something else")
    with pytest.raises(FarmError, match="answers other bytes for main/"):
        replicate(new.farm, old)
    assert new.ledger.events.since(0) == ()
    assert not any(name.endswith("index.html") for name in new.files())


def test_the_replica_takes_over_and_the_old_primary_follows_it(old: Home, new: Home) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    assert new.ledger.replication.promote() == Standing(epoch=2, serial=2)
    assert new.ledger.replication.promote() == Standing(epoch=2, serial=2)  # said twice, it is the same
    new.publish("main", "demo-2-py3-none-any.whl")
    with pytest.raises(FarmError, match="both write"):
        # Of a lower epoch, and it does not know yet: what it says does not count, and it is not followed.
        replicate(new.farm, replace_standing(old, Standing(epoch=2, serial=2)))
    assert replicate(new.farm, old) == Standing(epoch=2, serial=3)
    assert replicate(old.farm, new) == Standing(epoch=2, primary=new.url, serial=3)
    assert old.files() == new.files()
    with pytest.raises(Refused, match=r"send it to https://new\.example"):
        old.publish("main", "demo-3-py3-none-any.whl")
    assert old.ledger.replication.promote() == Standing(epoch=3, serial=3)  # and back


def test_an_old_primary_that_went_on_writing_is_stopped_and_told(old: Home, new: Home) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    new.ledger.replication.promote()
    old.publish("main", "lost-1-py3-none-any.whl")
    with pytest.raises(FarmError, match=r"event 3 of this home, by ann on main, is not one of https://new\.example"):
        replicate(old.farm, new)
    with pytest.raises(Refused, match="only reads"):
        old.publish("main", "lost-2-py3-none-any.whl")
    new.publish("main", "demo-2-py3-none-any.whl")  # now both have an event 3
    with pytest.raises(FarmError, match="is not one of"):
        replicate(old.farm, new)


def test_who_followed_the_new_primary_does_not_believe_the_old_one(old: Home, new: Home, tmp_path: Path) -> None:
    third = Home(tmp_path / "third", "https://third.example")
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    new.ledger.replication.promote()
    replicate(third.farm, new)
    old.publish("main", "demo-2-py3-none-any.whl")
    with pytest.raises(FarmError, match=r"old\.example is of epoch 1, this home of 2: another home took over"):
        replicate(third.farm, old)
    assert len(third.ledger.events.since(0)) == 2
    third.ledger.database.close()


def test_a_primary_that_asks_its_replica_goes_on(old: Home, new: Home) -> None:
    """So both may ask each other all the time, and whoever was taken over from hears of it."""
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    assert replicate(old.farm, new) == Standing(serial=2)
    old.publish("main", "demo-2-py3-none-any.whl")


def test_a_home_with_an_index_of_its_own_becomes_no_replica(old: Home, new: Home) -> None:
    old.publish("main", "demo-1-py3-none-any.whl")
    new.publish("main", "other-1-py3-none-any.whl")
    with pytest.raises(FarmError, match="a replica begins with a home that has no index yet"):
        replicate(new.farm, old)
    new.publish("main", "other-2-py3-none-any.whl")


def test_a_replica_of_a_replica_names_who_writes(old: Home, new: Home, tmp_path: Path) -> None:
    third = Home(tmp_path / "third", "https://third.example")
    old.publish("main", "demo-1-py3-none-any.whl")
    replicate(new.farm, old)
    assert replicate(third.farm, new).primary == old.url
    assert third.files() == old.files()
    third.ledger.database.close()


def replace_standing(home: Home, standing: Standing) -> Home:
    """The home as it would be if it said so."""

    class Saying(Home):
        def __post_init__(self) -> None:
            self.__dict__.update(home.__dict__)

        def changes(self, since: int) -> Changes:
            return replace(home.changes(since), standing=standing)

    return Saying(home.folder, home.url)

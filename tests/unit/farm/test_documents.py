"""Documentation: from a zip to a folder of the tree, over the memory adapters and over files."""

from __future__ import annotations

import io
import stat
import threading
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.farm import lay_out
from buildfarm.farm.checkup import check, rebuild
from buildfarm.farm.collect import collect
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.documents import documented, drop, put
from buildfarm.farm.render import catch_up, render
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.events import DocsDeleted, DocsPublished, IndexConfigured, IndexDeleted
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
from buildfarm.steps.entry import Bounds
from tests.unit.farm.test_memory_story import Farm, Machine, wheel

INDEX = {"index.html": "<h1>Docs</h1>"}


def packed(files: Mapping[str, str], **more: zipfile.ZipInfo) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        for info in more.values():
            archive.writestr(info, "/etc/passwd")
    content.seek(0)
    return content


@pytest.fixture(params=["memory", "files"])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Coordinator:
    farm: Coordinator = Farm(Machine(lambda _: wheel("demo", "1.0"))).coordinator
    farm = replace(farm, clock=lambda: "2036-01-01T00:00:00Z")  # years after all events
    if request.param == "files":
        store = LocalStore(tmp_path / "store")
        farm = replace(farm, store=store, tree=FileTree(tmp_path / "tree", store.path))
    farm.events.append("company/base", IndexConfigured(index=Index(name="company/base")))
    farm.events.append("third", IndexConfigured(index=Index(name="third", kind=IndexClass.MIRROR)))
    return farm


def page(farm: Coordinator, path: str) -> str:
    return (farm.tree.read(f"company/base/+doc/demo/{path}") or b"").decode()


def test_a_zip_becomes_a_folder_with_who_and_when(farm: Coordinator) -> None:
    files = {**INDEX, "_static/x.css": "h1{}", ".buildinfo": "hidden"}
    assert put(farm, "company/base", "Demo", "1.0", packed(files), who="anna") == "/company/base/+doc/demo/1.0/"
    assert page(farm, "1.0/index.html") == page(farm, "latest/index.html") == "<h1>Docs</h1>"
    assert page(farm, "1.0/_static/x.css") == "h1{}"
    assert page(farm, "1.0/.buildinfo") == ""
    event = farm.events.since(0)[-1]
    assert isinstance(event.payload, DocsPublished)
    assert (event.who, event.payload.version) == ("anna", "1.0")


def test_large_files_do_not_go_together_through_the_memory(farm: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    spread = farm.tree.spread

    def spread_bounded(files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        whole = [(content, tuple(paths)) for content, paths in files]
        assert all(len(content) <= 1 << 20 for content, _ in whole)
        spread(whole)

    monkeypatch.setattr(farm.tree, "spread", spread_bounded)
    put(farm, "company/base", "demo", "1.0", packed({**INDEX, "media/film": "x" * (3 << 20)}))
    assert page(farm, "1.0/index.html") == "<h1>Docs</h1>"
    assert page(farm, "1.0/media/film") == "x" * (3 << 20)


def test_a_new_zip_takes_the_place_of_the_old_one(farm: Coordinator) -> None:
    put(farm, "company/base", "demo", "1.0", packed({**INDEX, "old.html": "old"}))
    put(farm, "company/base", "demo", "1.0", packed({"index.html": "new"}))
    assert page(farm, "1.0/index.html") == "new"
    assert page(farm, "1.0/old.html") == ""
    assert len(farm.tree.names("company/base/+doc/demo/.1.0")) == 1


def test_latest_is_the_newest_release(farm: Coordinator) -> None:
    for version in ("1.10", "1.9", "2.0rc1"):
        put(farm, "company/base", "demo", version, packed({"index.html": version}))
    assert documented(farm, "company/base", "demo") == ("1.10", "1.9", "2.0rc1")
    assert page(farm, "latest/index.html") == "1.10"
    drop(farm, "company/base", "demo", "1.10", "anna")
    assert page(farm, "latest/index.html") == "1.9"
    assert isinstance(farm.events.since(0)[-1].payload, DocsDeleted)
    for version in ("1.9", "2.0rc1"):
        drop(farm, "company/base", "demo", version)
    assert farm.tree.names("company/base/+doc") == ()
    with pytest.raises(Refused, match="no documentation") as error:
        drop(farm, "company/base", "demo", "1.9")
    assert error.value.status == 404


def test_the_tree_is_made_of_the_events_again(farm: Coordinator) -> None:
    put(farm, "company/base", "demo", "1.0", packed({"index.html": "old"}))
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    assert check(farm) == ()
    farm.tree.clear("company/base/+doc")
    rebuild(farm)
    assert page(farm, "1.0/index.html") == "<h1>Docs</h1>"


@pytest.mark.parametrize(("content", "what"), [(None, "missing"), (b"other", "differs")])
def test_a_zip_that_is_not_as_it_was_is_found_and_mended(farm: Coordinator, content: bytes | None, what: str) -> None:
    for version in ("1.0", "2.0"):
        put(farm, "company/base", "demo", version, packed(INDEX))
    drop(farm, "company/base", "demo", "2.0")
    put(farm, "company/base", "demo", "1.0", packed({"index.html": "new"}))
    artifact = farm.events.since(0)[-1].payload.artifact  # type: ignore[union-attr]
    path = f"company/base/+f/{artifact.sha256}/{artifact.name}"
    farm.tree.remove(path)
    if content:
        farm.tree.write(path, content)
    (fault,) = check(farm)
    assert (fault.path, fault.what) == (path, what)
    assert rebuild(farm) == ((fault,), ())
    assert farm.tree.digest(path) == artifact.sha256


def test_no_upload_waits_until_it_is_unpacked(farm: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    spread, rendered = farm.tree.spread, threading.Event()

    def renders() -> None:
        render(farm)
        rendered.set()

    def spread_slowly(files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        whole = [(content, tuple(paths)) for content, paths in files]
        if any("/+doc/" in path for _, paths in whole for path in paths):
            threading.Thread(target=renders, daemon=True).start()
            assert rendered.wait(5)
        spread(whole)

    monkeypatch.setattr(farm.tree, "spread", spread_slowly)
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    assert rendered.is_set()
    assert page(farm, "1.0/index.html") == "<h1>Docs</h1>"


def test_what_the_disk_has_no_room_for_is_not_published(farm: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise FarmError("could not write; is the disk full?")

    monkeypatch.setattr(farm.tree, "spread", full)
    with pytest.raises(FarmError):
        put(farm, "company/base", "demo", "1.0", packed(INDEX))
    monkeypatch.undo()
    assert not any(isinstance(event.payload, DocsPublished) for event in farm.events.since(0))
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    assert page(farm, "1.0/index.html") == "<h1>Docs</h1>"


def test_its_zip_stays_until_it_is_replaced(farm: Coordinator) -> None:
    put(farm, "company/base", "demo", "1.0", packed({"index.html": "old"}))
    assert collect(farm, older_than=0) == ()
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    (old,) = collect(farm, older_than=0)
    assert (old.filename, old.forgotten) == ("demo-1.0.docs.zip", True)


def test_what_cannot_be_shown_holds_nothing_else_up(farm: Coordinator) -> None:
    lost = DocsPublished(project="lost", version="1.0", artifact=Artifact(name="x.zip", size=1, sha256="0" * 64))
    farm.events.append("company/base", lost)
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    assert page(farm, "1.0/index.html") == "<h1>Docs</h1>"


def test_it_goes_with_its_index(farm: Coordinator) -> None:
    put(farm, "company/base", "demo", "1.0", packed(INDEX))
    farm.events.append("company/base", IndexDeleted())
    catch_up(farm)
    assert farm.tree.names("company/base/+doc") == ()


def test_one_folder_around_the_pages_is_left_out(farm: Coordinator) -> None:
    put(farm, "company/base", "demo", "1.0", packed({"html/index.html": "in it", "html/setup.py": "", "html/a/b": ""}))
    assert page(farm, "1.0/index.html") == "in it"


LINK = zipfile.ZipInfo("link.html")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed({**INDEX, "../out.html": ""}), "leads out of it"),
        (packed({**INDEX, "/etc/x.html": ""}), "not relative"),
        (packed({**INDEX, "a\\..\\b": ""}), "not relative"),
        (packed({**INDEX, "A.html": "", "a.html": ""}), "one name on some file systems"),
        (packed({**INDEX, "aux.html": ""}), "on Windows"),
        (packed(INDEX, link=LINK), "link"),
        (packed({"readme.txt": ""}), "index.html"),
        (io.BytesIO(b"no zip"), "damaged"),
    ],
)
def test_what_is_not_safe_is_refused_and_leaves_nothing(farm: Coordinator, content: io.BytesIO, says: str) -> None:
    content.seek(0)
    with pytest.raises(Refused, match=says):
        put(farm, "company/base", "demo", "1.0", content)
    assert farm.tree.names("company/base/+doc") == ()
    assert not any(isinstance(event.payload, DocsPublished) for event in farm.events.since(0))


def test_too_much_is_refused(farm: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lay_out, "BOUNDS", Bounds(total=1000, entries=3, small=0))
    with pytest.raises(Refused, match="unpacks to more"):
        put(farm, "company/base", "demo", "1.0", packed({**INDEX, "zeros": "0" * 2000}))
    with pytest.raises(Refused, match="entries"):
        put(farm, "company/base", "demo", "1.0", packed({**INDEX, "a": "", "b": "", "c": ""}))


@pytest.mark.parametrize(
    ("index", "project", "version", "status"),
    [
        ("nowhere", "demo", "1.0", 404),
        ("third", "demo", "1.0", 403),
        ("company/base/+pending", "demo", "1.0", 403),
        ("company/base", "../x", "1.0", 400),
        ("company/base", "demo", "latest", 400),
        ("company/base", "x" * 300, "1.0", 400),
        ("company/base", "demo", "9" * 300, 400),
        ("company/base", "demo", "9" * 5000, 400),
    ],
)
def test_what_it_is_called_is_checked(farm: Coordinator, index: str, project: str, version: str, status: int) -> None:
    with pytest.raises(Refused) as error:
        put(farm, index, project, version, packed(INDEX))
    assert error.value.status == status

"""From events to pages, for an index and its heirs, over the memory adapters."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.farm.checkup import check, rebuild
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.render import PAGES, render, render_roots, render_settings
from buildfarm.model.events import FileDeleted, FilePublished, IndexConfigured, IndexDeleted, NameGivenUp, Payload
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
from buildfarm.pages.addresses import SERIAL
from buildfarm.ports import Rendering, Tree
from tests.unit.farm.test_memory_story import Farm, Machine, wheel

INDEXES = (
    Index(name="company/base"),
    Index(name="company/internal", bases=("company/base",)),
    Index(name="company/dev", bases=("company/internal",)),
    Index(name="sandbox", bases=("company/dev",)),
    Index(name="customer/release"),
)


class Rendered:
    """A coordinator with those indexes, and its pages."""

    def __init__(self) -> None:
        self.farm: Coordinator = Farm(Machine(lambda _: wheel("demo", "1.0"))).coordinator
        for index in INDEXES:
            self.tell(index.name, IndexConfigured(index=index))

    def tell(self, index: str, *payloads: Payload) -> None:
        for payload in payloads:
            self.farm.events.append(index, payload)

    def render(self) -> None:
        render_settings(self.farm)
        render_roots(self.farm)

    def page(self, index: str, project: str = "demo") -> Any:
        at = f"{index}/simple/{project and project + '/'}index"
        found = {form: self.farm.tree.read(f"{at}.{form}") for form in ("json", "html", "json.gz", "html.gz")}
        if found["json"] is None:
            assert set(found.values()) == {None}
            return None
        for form in ("json", "html"):
            assert gzip.decompress(found[f"{form}.gz"] or b"") == found[form]
        return json.loads(found["json"])

    def files(self, index: str, project: str = "demo") -> list[str]:
        page = self.page(index, project)
        return [file["filename"] for file in page["files"]] if page else []

    def names(self, index: str) -> list[str]:
        return [each["name"] for each in (self.page(index, "") or {"projects": []})["projects"]]


@pytest.fixture
def site() -> Rendered:
    return Rendered()


def published(version: str, project: str = "demo") -> FilePublished:
    return FilePublished(
        project=project,
        version=version,
        artifact=Artifact(name=f"{project}-{version}-py3-none-any.whl", size=1, sha256="0" * 64),
        metadata_sha256="",
        uploaded="2026-01-02T03:04:05Z",
    )


def test_a_file_is_seen_by_all_heirs_and_by_nobody_else(site: Rendered) -> None:
    site.tell("company/base", published("1.0"))
    site.tell("company/dev", published("2.0"))
    site.render()
    one, two = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
    assert site.files("company/base") == site.files("company/internal") == [one]
    assert site.files("company/dev") == site.files("sandbox") == [one, two]
    assert site.page("customer/release") is None
    assert site.names("sandbox") == site.names("company/base") == ["demo"]
    assert site.names("customer/release") == []
    assert site.page("company/base") == site.page("company/internal")
    assert site.page("sandbox")["files"][0]["url"] == f"../../../company/base/+f/{'0' * 64}/{one}"


def test_what_was_deleted_is_on_no_page(site: Rendered) -> None:
    site.tell("company/base", published("1.0"), published("1.0", "other"))
    site.render()
    site.tell("company/base", FileDeleted(project="demo", filename="demo-1.0-py3-none-any.whl"))
    site.render()
    assert site.page("sandbox") is None
    assert site.names("company/dev") == ["other"]


def test_other_bases_make_other_pages(site: Rendered) -> None:
    site.tell("company/base", published("1.0"))
    site.tell("customer/release", published("3.0", "tool"))
    site.render()
    site.tell("sandbox", IndexConfigured(index=Index(name="sandbox", bases=("customer/release",))))
    site.render()
    assert site.page("sandbox") is None
    assert site.names("sandbox") == ["tool"]
    site.tell("company/internal", IndexConfigured(index=Index(name="company/internal")))
    site.render()
    assert site.page("company/dev") is None
    assert site.files("company/base") == ["demo-1.0-py3-none-any.whl"]


def test_a_mirror_becomes_invisible_with_the_first_internal_file(site: Rendered) -> None:
    site.tell("mirror", IndexConfigured(index=Index(name="mirror", kind=IndexClass.MIRROR)), published("9.0"))
    site.tell("company/base", IndexConfigured(index=Index(name="company/base", bases=("mirror",))))
    site.render()
    assert site.files("sandbox") == ["demo-9.0-py3-none-any.whl"]
    site.tell("company/internal", published("1.0"))
    site.render()
    assert site.files("sandbox") == ["demo-1.0-py3-none-any.whl"]
    assert site.files("company/base") == ["demo-9.0-py3-none-any.whl"]


def test_a_mirror_stays_invisible_when_the_last_internal_file_is_gone(site: Rendered) -> None:
    site.tell("mirror", IndexConfigured(index=Index(name="mirror", kind=IndexClass.MIRROR)), published("9.0"))
    site.tell("company/base", IndexConfigured(index=Index(name="company/base", bases=("mirror",))))
    site.tell("company/internal", published("1.0"))
    site.render()
    site.tell("company/internal", FileDeleted(project="demo", filename="demo-1.0-py3-none-any.whl"))
    site.render()
    assert site.page("company/dev")["files"] == [], "a page without files: none would send some clients elsewhere"
    assert site.names("company/dev") == ["demo"]
    assert [each for each in check(site.farm) if "/+f/" not in each.path] == []
    site.tell("company/internal", NameGivenUp(project="demo"))
    site.render()
    assert site.files("company/dev") == ["demo-9.0-py3-none-any.whl"]


def test_a_mirror_becomes_invisible_with_the_first_file_that_waits(site: Rendered) -> None:
    site.tell("mirror", IndexConfigured(index=Index(name="mirror", kind=IndexClass.MIRROR)), published("9.0"))
    site.tell("company/base", IndexConfigured(index=Index(name="company/base", bases=("mirror",))))
    site.render()
    site.tell("company/internal/+pending", published("1.0"))
    site.render()
    assert site.files("company/internal/+pending") == ["demo-1.0-py3-none-any.whl"]
    assert site.files("company/internal") == site.files("sandbox") == []
    assert site.files("company/base") == ["demo-9.0-py3-none-any.whl"]
    site.tell("company/internal/+pending", FileDeleted(project="demo", filename="demo-1.0-py3-none-any.whl"))
    site.render()
    assert site.page("company/internal/+pending") is None
    assert site.files("sandbox") == []
    assert [each for each in check(site.farm) if "/+f/" not in each.path] == []


def test_where_files_wait_only_their_projects_are_shown(site: Rendered) -> None:
    site.tell("company/base", published("1.0"), published("1.0", "other"))
    site.tell("company/dev/+pending", published("2.0"))
    site.render()
    assert site.files("company/dev/+pending") == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
    assert site.files("company/dev") == ["demo-1.0-py3-none-any.whl"]
    assert site.page("company/dev/+pending", "other") is None
    assert site.names("company/dev/+pending") == ["demo"]
    site.tell("company/dev/+pending", FileDeleted(project="demo", filename="demo-2.0-py3-none-any.whl"))
    site.render()
    assert site.page("company/dev/+pending") is None
    assert site.names("company/dev/+pending") == []


def test_a_deleted_index_leaves_no_page(site: Rendered) -> None:
    site.tell("company/base", published("1.0"))
    site.render()
    site.tell("sandbox", IndexDeleted())
    site.render()
    assert site.farm.tree.names("sandbox/simple") == ()
    assert site.page("company/dev") is not None


def test_the_serial_is_written_after_the_pages_that_it_stands_for(
    site: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.tell("company/base", published("1.0"))
    site.render()
    last = site.farm.replication.standing().serial
    assert site.farm.tree.read(SERIAL) == b"%d\n" % last
    written: list[str] = []
    spread = type(site.farm.tree).spread

    def noted(tree: Tree, files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        kept = [(content, list(paths)) for content, paths in files]
        written.extend(path for _, paths in kept for path in paths)
        spread(tree, kept)

    monkeypatch.setattr(type(site.farm.tree), "spread", noted)
    site.tell("company/base", published("2.0"))
    render(site.farm)
    assert [path for path in written if "sandbox/" in path]
    assert written[-1] == SERIAL
    assert site.farm.tree.read(SERIAL) == b"%d\n" % (last + 1)
    for content in (b"1\n", None):
        site.farm.tree.remove(SERIAL)
        if content:
            site.farm.tree.write(SERIAL, content)
        assert (SERIAL, "differs" if content else "missing") in {(each.path, each.what) for each in check(site.farm)}
    rebuild(site.farm)
    assert site.farm.tree.read(SERIAL) == b"%d\n" % (last + 1)


def test_nothing_is_read_or_written_when_nothing_happened(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    site.tell("company/base", published("1.0"))
    site.render()
    monkeypatch.setattr(Ledger, "events", None, raising=False)
    monkeypatch.setattr(type(site.farm.tree), "spread", None)
    site.render()


class Turns:
    """A rendering after which, each time that it lets others write pages, ``turn`` is called."""

    def __init__(self, rendering: Rendering, turn: Callable[[], None]) -> None:
        self._rendering, self._turn = rendering, turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rendering, name)

    @contextmanager
    def lock(self, what: str, *, shared: bool = False) -> Iterator[None]:
        with self._rendering.lock(what, shared=shared):
            yield
        if what == PAGES:
            self._turn()


def test_who_uploads_has_a_turn_while_an_heir_gets_its_pages(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildfarm.farm.render._TOGETHER", 2)
    names = [f"p{number}" for number in range(5)]
    site.tell("company/base", *(published("1.0", name) for name in names))
    site.render()
    site.tell("customer/release", IndexConfigured(index=Index(name="customer/release", bases=("company/base",))))
    before = site.farm.rendering.position(PAGES)
    shown: list[str] = []
    written: list[object] = []

    def upload() -> None:
        if not shown:
            shown.extend(name for name in names if site.files("customer/release", name))
            site.tell("company/base", published("2.0", "p4"))
            render(site.farm)
            assert len(site.files("customer/release", "p4")) == len(site.files("sandbox", "p4")) == 2
            assert site.farm.rendering.position(PAGES) == before, "what was not rendered yet is not forgotten by a kill"
            with monkeypatch.context() as watched:
                watched.setattr(type(site.farm.tree), "spread", lambda _, files: written.extend(files))
                render(site.farm)

    render_settings(replace(site.farm, rendering=Turns(site.farm.rendering, upload)))
    assert (shown, written) == (["p0", "p1"], [])
    assert [len(site.files("customer/release", name)) for name in names] == [1, 1, 1, 1, 2]
    assert site.farm.rendering.position(PAGES) == before + 2


def test_many_pages_that_list_projects_are_written_for_many_events_once(site: Rendered) -> None:
    site.render()
    for number in range(5):
        site.tell("company/base", published("1.0", f"p{number}"))
        render(site.farm)
    assert site.names("sandbox") == []
    render_roots(site.farm)
    assert site.names("sandbox") == [f"p{number}" for number in range(5)]

"""From events to pages, for an index and its heirs, over the memory adapters."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.render import render, render_roots
from buildfarm.model.events import FileDeleted, FilePublished, IndexConfigured, IndexDeleted, Payload
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
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
        render(self.farm)
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


def test_nothing_is_read_or_written_when_nothing_happened(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    site.tell("company/base", published("1.0"))
    site.render()
    monkeypatch.setattr(Ledger, "events", None, raising=False)
    monkeypatch.setattr(type(site.farm.tree), "spread", None)
    site.render()


def test_many_pages_that_list_projects_are_written_for_many_events_once(site: Rendered) -> None:
    for number in range(5):
        site.tell("company/base", published("1.0", f"p{number}"))
        render(site.farm)
    assert site.names("sandbox") == []
    render_roots(site.farm)
    assert site.names("sandbox") == [f"p{number}" for number in range(5)]

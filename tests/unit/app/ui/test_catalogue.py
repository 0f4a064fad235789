from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.app.ui.catalogue import Catalogue
from buildfarm.app.ui.views import tree
from buildfarm.model.events import (
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexConfigured,
    NameGivenUp,
    Payload,
    ProjectMarked,
    Status,
)
from buildfarm.model.index import Index, IndexClass, pending_of
from buildfarm.model.wheel import Artifact


class Shop:
    """A ledger with some indexes, and a catalogue that follows it."""

    def __init__(self) -> None:
        self.ledger = Ledger("sqlite://")
        self.asked: list[str] = []
        self.catalogue = Catalogue(self.ledger.events, self._summary)
        for index in (
            Index(name="mirror", kind=IndexClass.MIRROR),
            Index(name="base", bases=("mirror",)),
            Index(name="lab", bases=("base",), private=True),
            Index(name="dev", bases=("lab", "mirror")),
        ):
            self.tell(index.name, IndexConfigured(index=index))

    def _summary(self, file: object) -> str:
        name = str(getattr(file, "name", ""))
        self.asked.append(name)
        return f"Summary of {name}"

    def tell(self, index: str, payload: Payload) -> None:
        self.ledger.events.append(index, payload)

    def publish(self, index: str, project: str, version: str) -> str:
        name = f"{project}-{version}-py3-none-any.whl"
        self.tell(
            index,
            FilePublished(
                project=project,
                version=version,
                artifact=Artifact(name=name, size=1, sha256=(index + name).encode().hex()[:64].ljust(64, "0")),
                metadata_sha256="",
                uploaded="2026-01-01T00:00:00Z",
            ),
        )
        return name


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.ledger.database.close()


def test_an_index_shows_what_its_bases_have(shop: Shop) -> None:
    shop.publish("base", "demo", "1.0")
    shop.publish("dev", "tool", "2.0")
    shelf = shop.catalogue.now()
    assert shelf.projects("dev") == ["demo", "tool"]
    assert shelf.projects("mirror") == []
    assert shelf.entry("dev", "demo").index == "base"


def test_a_mirror_shows_nothing_of_a_name_that_is_ours_without_files(shop: Shop) -> None:
    for name in ("demo", "tool", "soon"):
        shop.publish("mirror", name, "9.0")
    shop.publish(pending_of("base"), "soon", "1.0")
    file = shop.publish("base", "demo", "1.0")
    for catalogue in (shop.catalogue, Catalogue(shop.ledger.events, shop._summary)):
        catalogue.now()
        shop.tell("base", FileDeleted(project="demo", filename=file))
        shelf = catalogue.now()
        assert (shelf.projects("dev"), shelf.projects("mirror")) == (["tool"], ["demo", "soon", "tool"])
        assert [index for index, _ in shelf.search(["demo"], {"dev"})] == []
        assert [index for index, _ in shelf.search(["demo"], {"dev", "mirror"})] == ["mirror"]
    shop.tell("base", NameGivenUp(project="demo"))
    assert shop.catalogue.now().entry("dev", "demo").version == "9.0"
    assert shop.catalogue.now().projects("dev") == ["demo", "tool"]


def test_it_follows_and_looks_only_at_what_changed(shop: Shop) -> None:
    first = shop.publish("base", "demo", "1.0")
    shop.publish("base", "other", "1.0")
    before = shop.catalogue.now()
    shop.asked.clear()
    second = shop.publish("base", "demo", "2.0")
    assert shop.catalogue.now().entry("base", "demo").version == "2.0"
    assert shop.asked == [second]
    assert before.entry("base", "demo").version == "1.0"  # what somebody holds stays as it was
    shop.tell("base", FileYanked(project="demo", filename=second, reason="broken"))
    assert shop.catalogue.now().entry("base", "demo").version == "1.0"
    shop.tell("base", ProjectMarked(project="demo", status=Status.ARCHIVED))
    assert shop.catalogue.now().entry("base", "demo").status is Status.ARCHIVED
    for each in (first, second):
        shop.tell("base", FileDeleted(project="demo", filename=each))
    assert shop.catalogue.now().projects("base") == ["other"]


def test_a_pre_release_is_the_newest_only_where_there_is_no_other(shop: Shop) -> None:
    shop.publish("base", "demo", "2.0rc1")
    assert shop.catalogue.now().entry("base", "demo").version == "2.0rc1"
    shop.publish("base", "demo", "1.0")
    assert shop.catalogue.now().entry("base", "demo").version == "1.0"


def test_a_mirror_is_hidden_by_an_internal_index(shop: Shop) -> None:
    shop.publish("mirror", "demo", "9.0")
    shop.publish("base", "demo", "1.0")
    assert shop.catalogue.now().entry("base", "demo").version == "1.0"
    assert shop.catalogue.now().entry("mirror", "demo").version == "9.0"


def test_a_search_finds_names_before_summaries_and_nothing_that_may_not_be_read(shop: Shop) -> None:
    shop.publish("base", "json-tools", "1.0")
    shop.publish("base", "ujson", "1.0")
    shop.publish("base", "json", "1.0")
    shop.publish("lab", "secret-json", "1.0")
    shelf = shop.catalogue.now()

    def found(*words: str, readable: tuple[str, ...] = ("base", "mirror")) -> list[str]:
        return [entry.project for _, entry in shelf.search(words, readable)]

    assert found("json") == ["json", "json-tools", "ujson"]
    assert found("json", "tools") == ["json-tools"]
    assert found("json_tools") == ["json-tools"]
    assert found("summary", "uj") == ["ujson"]
    assert found("nothing") == []
    assert "secret-json" in found("json", readable=("dev",))  # it inherits what it may show
    assert [index for index, entry in shelf.search(("secret",), ("dev",))] == ["dev"]
    assert found("json", readable=()) == []


def test_the_tree_names_no_private_base(shop: Shop) -> None:
    shop.publish(pending_of("dev"), "demo", "1.0")
    shelf = shop.catalogue.now()
    mirror, *others = tree(shelf, ("base", "mirror", "dev"))
    assert not others
    assert (mirror.index.name, [twig.index.name for twig in mirror.heirs]) == ("mirror", ["base", "dev"])
    assert mirror.words == ("mirror",)
    assert mirror.heirs[1].waiting == 1
    assert mirror.heirs[1].besides == ()
    (root,) = tree(shelf, ("base", "lab", "mirror", "dev"))
    (base,) = root.heirs
    (lab,) = base.heirs
    (dev,) = lab.heirs
    assert dev.besides == ("mirror",)

"""Indexes made, changed, deleted; the tree held against the ledger, mended, and rid of what is dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import IO

import pytest

from buildfarm.farm import checkup
from buildfarm.farm.checkup import check, rebuild
from buildfarm.farm.collect import collect
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of
from buildfarm.farm.indexes import change, create, delete_index, force_delete_index
from buildfarm.farm.withdraw import delete
from buildfarm.model.errors import Refused
from buildfarm.model.events import FileDeleted, IndexDeleted, Payload, ProjectMarked, Status
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
from tests.unit.farm.test_memory_story import DEMO, wheel
from tests.unit.farm.test_receive import NAME, Site

DIGEST = sha256(wheel("demo", "1.0")).hexdigest()
FILE = f"sandbox/+f/{DIGEST}/{NAME}"


@pytest.fixture
def site() -> Site:
    """Demo is on ``sandbox``, from which ``heir`` inherits."""
    made = Site()
    made.coordinator = replace(made.coordinator, clock=lambda: "2036-01-01T00:00:00Z")  # years after all events
    create(made.coordinator, Index(name="heir", bases=("sandbox",)), who="bob")
    made.upload("sandbox", wheel("demo", "1.0"))
    return made


def test_what_an_index_cannot_be_like_is_all_said_at_once(site: Site) -> None:
    with pytest.raises(Refused) as caught:
        create(site.coordinator, Index(name="UPPER", bases=("nowhere", "heir", "heir")))
    assert [line.partition(";")[0] for line in str(caught.value).splitlines()] == [
        "'UPPER' is no index name: one or two segments of a-z, 0-9, '.', '_', '-', such as company/base",
        "there is no index 'nowhere' to inherit from",
        "bases are named twice: heir",
    ]
    with pytest.raises(Refused, match="there is an index heir already"):
        create(site.coordinator, Index(name="heir"))
    with pytest.raises(Refused, match="circle: sandbox ← heir ← sandbox"):
        change(site.coordinator, replace(index_of(site.coordinator, "sandbox"), bases=("heir",)))
    with pytest.raises(Refused, match="nobody but its testers: inherit from dev"):
        create(site.coordinator, Index(name="new", bases=("dev/+pending",)))
    with pytest.raises(Refused, match="there is no index 'new'"):
        change(site.coordinator, Index(name="new"))


def test_changed_bases_are_on_the_pages_at_once(site: Site) -> None:
    change(site.coordinator, Index(name="heir"), who="bob")
    assert site.files("heir") == {}
    change(site.coordinator, Index(name="heir", bases=("sandbox",)), who="bob")
    assert set(site.files("heir")) == {NAME}
    assert site.coordinator.events.events("heir")[-1].who == "bob"


def test_an_index_with_heirs_or_files_is_deleted_only_by_force(site: Site) -> None:
    with pytest.raises(Refused) as caught:
        delete_index(site.coordinator, "sandbox")
    assert str(caught.value).splitlines()[:2] == [
        "sandbox has heirs: heir",
        "sandbox has files of 1 projects",
    ]
    (gone,) = force_delete_index(site.coordinator, "sandbox", who="bob")
    assert gone.name == NAME
    told = site.coordinator.events.events("sandbox")[-2:]
    assert [(type(each.payload), each.who) for each in told] == [(FileDeleted, "bob"), (IndexDeleted, "bob")]
    assert site.coordinator.events.indexes()["heir"].bases == ()
    assert (site.files("heir"), site.tree.names("sandbox/simple")) == ({}, ())
    delete_index(site.coordinator, "heir")
    assert "heir" not in site.coordinator.events.indexes()
    assert check(site.coordinator) == ()


@pytest.mark.parametrize("index", ["sandbox", "dev"])
def test_what_comes_while_an_index_is_deleted_goes_with_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    append = site.coordinator.events.append

    def append_slowly(name: str, payload: Payload, who: str = "", token: int = 0) -> bool:
        if isinstance(payload, IndexDeleted):
            monkeypatch.undo()
            site.upload(index, wheel("other", "1.0"), "other-1.0-py3-none-any.whl")
        return append(name, payload, who, token)

    monkeypatch.setattr(site.coordinator.events, "append", append_slowly)
    force_delete_index(site.coordinator, index)
    for each in (index, f"{index}/+pending"):
        assert (site.files(each, "other"), site.coordinator.events.projects(each)) == ({}, frozenset())
    assert not {index, f"{index}/+pending"} & site.coordinator.events.indexes().keys()
    assert check(site.coordinator) == ()


@pytest.mark.parametrize("index", ["sandbox", "dev"])
def test_an_upload_does_not_bring_back_an_index_that_was_deleted_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    put = site.store.put

    def put_slowly(name: str, content: IO[bytes]) -> Artifact:
        force_delete_index(site.coordinator, index)
        return put(name, content)

    monkeypatch.setattr(site.store, "put", put_slowly)
    assert site.refused(index, wheel("other", "1.0"), "other-1.0-py3-none-any.whl").status == 404
    with pytest.raises(Refused, match=f"the index {index} was deleted"):
        site.coordinator.events.append(index, ProjectMarked(project="demo", status=Status.ARCHIVED))
    site.settle()
    assert not {index, f"{index}/+pending"} & site.coordinator.events.indexes().keys()


def test_with_an_index_goes_what_waits_for_it() -> None:
    site = Site(importable=False)
    site.upload("dev", wheel("demo", "1.0"))
    with pytest.raises(Refused, match=r"dev/\+pending has files of 1 projects"):
        delete_index(site.coordinator, "dev")
    force_delete_index(site.coordinator, "dev")
    assert not {"dev", "dev/+pending"} & site.coordinator.events.indexes().keys()
    site.settle()
    assert site.files("dev") == {}
    create(site.coordinator, Index(name="dev"))
    assert site.upload("dev", wheel("demo", "1.0")).index == "dev/+pending", "and may come again"


def test_what_is_as_it_should_be_has_no_faults(site: Site) -> None:
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    site.build(DEMO)
    assert check(site.coordinator) == ()


def test_a_fault_is_told_though_others_publish_all_the_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    faults, versions = checkup._faults, iter(range(2, 5))

    def while_one_comes(farm: Coordinator, names: tuple[str, ...]) -> Iterator[checkup.Fault]:
        yield from faults(farm, names)
        number = next(versions)
        site.upload("sandbox", wheel("demo", f"{number}.0"), f"demo-{number}.0-py3-none-any.whl")

    site.tree.remove(FILE)
    monkeypatch.setattr(checkup, "_faults", while_one_comes)
    assert [(fault.path, fault.what) for fault in check(site.coordinator)] == [(FILE, "missing")]


def spoilt(site: Site, path: str, content: bytes | None) -> None:
    if content is None:
        site.tree.remove(path)
    else:
        site.tree.write(path, content)


@pytest.mark.parametrize(
    ("path", "content", "what"),
    [
        ("sandbox/simple/demo/index.json", b"{}", "differs"),
        ("sandbox/simple/demo/index.html", None, "missing"),
        ("heir/simple/demo/index.html.gz", b"\x1f\x8b broken", "differs"),
        ("heir/simple/index.json", b"[]", "differs"),
        ("heir/simple/index.html.gz", None, "missing"),
        ("sandbox/simple/evil/index.html", b"<a>", "stray"),
        ("sandbox/simple/evil.html", b"<a>", "stray"),
        ("sandbox/simple/demo/more.html", b"<a>", "stray"),
        (FILE, b"other bytes", "differs"),
        (FILE, None, "missing"),
        (f"{FILE}.metadata", b"Name: evil", "differs"),
        (f"{FILE}.metadata", None, "missing"),
        (f"sandbox/+f/{'0' * 64}/evil-1.0.tar.gz", b"evil", "stray"),
    ],
)
def test_every_fault_is_found_and_mended(site: Site, path: str, content: bytes | None, what: str) -> None:
    assert check(site.coordinator) == ()
    spoilt(site, path, content)
    (fault,) = check(site.coordinator)
    assert (path.startswith(fault.path), fault.what) == (True, what)
    assert check(site.coordinator, ["release"]) == ()
    assert rebuild(site.coordinator) == ((fault,), ())
    assert check(site.coordinator) == ()
    assert site.tree.read(FILE) == wheel("demo", "1.0")


def test_a_file_whose_bytes_are_nowhere_is_said_to_be_lost(site: Site) -> None:
    site.tree.remove(FILE)
    site.store.remove(DIGEST)
    mended, lost = rebuild(site.coordinator)
    assert (mended, [(each.path, each.what) for each in lost]) == ((), [(FILE, "missing")])


def test_the_bytes_of_what_was_deleted_stay_for_a_while(site: Site) -> None:
    delete(site.coordinator, [NAME], index="sandbox")
    assert collect(site.coordinator, older_than=20 * 365 * 86400) == ()
    assert site.tree.read(FILE)
    assert check(site.coordinator) == ()
    (gone,) = collect(site.coordinator, older_than=0)
    assert (gone.index, gone.filename, gone.sha256, gone.forgotten) == ("sandbox", NAME, DIGEST, True)
    assert (site.tree.read(FILE), site.store.has(DIGEST)) == (None, False)
    assert collect(site.coordinator, older_than=0) == ()


def replaced(site: Site) -> None:
    site.upload("sandbox", wheel("demo", "1.0", body=b"other = 1\n"))


def deleted_with_its_index(site: Site) -> None:
    force_delete_index(site.coordinator, "sandbox")


@pytest.mark.parametrize("how", [replaced, deleted_with_its_index])
def test_so_are_those_of_what_was_replaced_or_whose_index_went(site: Site, how: Callable[[Site], None]) -> None:
    how(site)
    assert [each.sha256 for each in collect(site.coordinator, older_than=0)] == [DIGEST]
    assert check(site.coordinator) == ()


def test_bytes_that_something_needs_are_kept(site: Site) -> None:
    site.upload("release", wheel("demo", "1.0"))
    site.build(DEMO)
    (built,) = site.coordinator.events.publications("main")
    create(site.coordinator, replace(index_of(site.coordinator, "sandbox"), name="other"))
    delete(site.coordinator, [NAME], index="sandbox")
    change(site.coordinator, Index(name="main", volatile=True))
    delete(site.coordinator, [built.artifact.name], index="main")
    gone = collect(site.coordinator, older_than=0)
    assert {(each.index, each.forgotten) for each in gone} == {("sandbox", False), ("main", False)}
    assert site.store.has(DIGEST), "it is on release"
    assert site.store.has(built.artifact.sha256), "it was built here: no build is done again whose wheel is there"
    site.build(DEMO)
    assert set(site.files("main")) == {built.artifact.name}, "deleted, it may be built again"


def test_a_mirror_takes_nothing_that_is_built_here(site: Site) -> None:
    ticked = site.build(DEMO, index="third")
    assert [each.withheld for each in ticked.judgements] == ["third is a mirror"]
    assert site.files("third") == {}
    assert index_of(site.coordinator, "third").kind is IndexClass.MIRROR


def test_a_build_does_not_bring_back_an_index_that_was_deleted(site: Site) -> None:
    create(site.coordinator, Index(name="secret", private=True))
    delete_index(site.coordinator, "secret")
    ticked = site.build(DEMO, index="secret")
    assert [each.withheld for each in ticked.judgements] == [
        "the index secret was deleted; `buildfarm index create` makes it anew"
    ]
    assert "secret" not in site.coordinator.events.indexes()
    create(site.coordinator, Index(name="secret", private=True))
    assert [each.withheld for each in site.build(DEMO, index="secret").judgements] == [""]
    assert site.files("secret")


def test_what_a_build_may_publish_is_its_indexs_own_policy(site: Site) -> None:
    create(site.coordinator, Index(name="strict", accepts=()))
    ticked = site.build(DEMO, index="strict")
    assert "strict takes nothing" in ticked.judgements[0].withheld

"""What becomes of an upload, over the memory adapters: taken, refused with every reason, kept waiting, let through."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import IO, Any

import pytest

from buildfarm.farm import gate
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.judge import Judgement
from buildfarm.farm.publish import release
from buildfarm.farm.receive import Incoming, Receipt, receive
from buildfarm.farm.tick import tick
from buildfarm.farm.work import work_one
from buildfarm.model.errors import Refused
from buildfarm.model.events import FileDeleted, FilePublished, IndexConfigured, Origin, Tried
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.job import BuildRequest
from buildfarm.model.recipe import Override, Recipe
from buildfarm.model.records import Publication
from buildfarm.model.token import Right, Token
from buildfarm.model.wheel import Artifact, Verdict
from tests.unit.farm.test_memory_story import Farm, Machine, sdist, wheel

EVERYTHING = (Verdict.PASSED, Verdict.SKIPPED, Verdict.NOT_RUN)
NAME = "demo-1.0-py3-none-any.whl"


class Site(Farm):
    """A farm with an index that tests what is uploaded (``dev``), and one that takes it at once (``sandbox``)."""

    def __init__(self, *, importable: bool = True, abis: tuple[str, ...] = ("cp311",)) -> None:
        super().__init__(Machine(lambda _: wheel("demo", "1.0"), importable=importable), abis=abis)
        self.make(Index(name="dev"))
        self.make(Index(name="sandbox", accepts=EVERYTHING, volatile=True))
        self.make(Index(name="release", accepts=EVERYTHING))
        self.make(Index(name="third", kind=IndexClass.MIRROR))

    def make(self, index: Index) -> None:
        self.coordinator.events.append(index.name, IndexConfigured(index=index))

    def upload(self, index: str, content: bytes, filename: str = NAME, **said: Any) -> Receipt:
        digest = sha256(content).hexdigest()
        file = io.BytesIO(content)
        return receive(
            self.coordinator,
            Incoming(index=index, filename=filename, content=file, size=len(content), sha256=digest, who="ada", **said),
        )

    def refused(self, index: str, content: bytes, filename: str = NAME, **said: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            self.upload(index, content, filename, **said)
        return caught.value

    def settle(self) -> None:
        """Tick and work until no request is open."""
        for _ in range(20):
            tick(self.coordinator)
            if not self.coordinator.requests.open_requests():
                return
            work_one(self.place, self.worker)
        raise AssertionError("a request never ended")

    def files(self, index: str, project: str = "demo") -> dict[str, Any]:
        page = self.tree.read(f"{index}/simple/{project}/index.json")
        return {file["filename"]: file for file in json.loads(page)["files"]} if page else {}

    def told(self, index: str) -> list[object]:
        return [event.payload for event in self.coordinator.events.events(index, "demo")]


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_index_that_asks_for_no_tests_has_it_at_once(site: Site) -> None:
    content = wheel("demo", "1.0")
    assert site.upload("sandbox", content, project="Demo", version="1.0.0") == Receipt(
        index="sandbox", filename=NAME, new=True, note="warning: licence: it has no text of a licence"
    )
    file = site.files("sandbox")[NAME]
    assert site.tree.read(f"sandbox/+f/{file['hashes']['sha256']}/{NAME}") == content
    assert site.tree.read(f"sandbox/+f/{file['hashes']['sha256']}/{NAME}.metadata")
    (event,) = site.coordinator.events.events("sandbox", "demo")
    assert event.who == "ada"
    assert isinstance(event.payload, FilePublished)
    assert event.payload.origin is Origin.UPLOADED


def test_the_same_bytes_again_are_no_news_and_say_nothing_twice(site: Site) -> None:
    assert site.upload("sandbox", wheel("demo", "1.0")).new
    assert not site.upload("sandbox", wheel("demo", "1.0")).new
    assert len(site.told("sandbox")) == 1


def test_other_bytes_of_a_name_replace_it_where_that_is_allowed_and_nowhere_else(site: Site) -> None:
    for index in ("sandbox", "release"):
        site.upload(index, wheel("demo", "1.0"))
    other = wheel("demo", "1.0", body=b"other = 1\n")
    refusal = site.refused("release", other)
    assert (refusal.status, "already exists" in str(refusal)) == (400, True)
    assert site.upload("sandbox", other).new
    (file,) = site.files("sandbox").values()
    assert file["hashes"]["sha256"] == sha256(other).hexdigest()
    assert site.upload("sandbox", wheel("demo", "1.0")).new, "and back again"
    (file,) = site.files("sandbox").values()
    assert file["hashes"]["sha256"] == sha256(wheel("demo", "1.0")).hexdigest()
    assert site.coordinator.events.projects("sandbox") == {"demo"}


@pytest.mark.parametrize("index", ["release", "sandbox"])
@pytest.mark.parametrize("spelt", ["Demo-1.0-py3-none-any.whl", "demo-1.0.0-py3-none-any.whl"])
def test_other_bytes_do_not_come_in_by_another_spelling(site: Site, index: str, spelt: str) -> None:
    site.upload(index, wheel("demo", "1.0"))
    refusal = site.refused(index, wheel("demo", "1.0", body=b"other = 1\n"), spelt)
    assert (refusal.status, f"already exists on {index}, spelt {NAME}" in str(refusal)) == (400, True)
    assert set(site.files(index)) == {NAME}


@pytest.mark.parametrize(
    ("index", "filename", "said", "status", "words"),
    [
        ("nowhere", NAME, {}, 404, "there is no index 'nowhere'"),
        ("third", NAME, {}, 403, "third is a mirror"),
        ("dev/+pending", NAME, {}, 403, "upload to dev"),
        ("sandbox", "demo-1.0.exe", {}, 400, "neither a wheel"),
        ("sandbox", "demo-1.0.whl", {}, 400, "neither a wheel"),
        ("sandbox", "../demo-1.0-py3-none-any.whl", {}, 400, "no plain file name"),
        ("sandbox", f"{'d' * 240}-1.0-py3-none-any.whl", {}, 400, "no plain file name"),
        ("sandbox", "demo-1.0-py3-none-any.whl\n", {}, 400, "no plain file name"),
        ("sandbox", NAME, {"project": "other"}, 400, "the form names the project 'other'"),
        ("sandbox", NAME, {"version": "1.1"}, 400, "the form names the version '1.1'"),
        ("sandbox", "other-1.0-py3-none-any.whl", {}, 400, "METADATA names the project 'demo'"),
        ("sandbox", "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", {}, 400, "tags"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    site: Site, index: str, filename: str, said: dict[str, str], status: int, words: str
) -> None:
    before = site.tree.names(index)
    refusal = site.refused(index, wheel("demo", "1.0"), filename, **said)
    assert (refusal.status, words in str(refusal)) == (status, True), str(refusal)
    assert site.tree.names(index) == before
    assert site.coordinator.events.publications() == ()


def test_everything_that_is_wrong_is_said_at_once(site: Site) -> None:
    said = str(site.refused("sandbox", wheel("demo", "1.0"), "other-2.0-py3-none-any.whl", project="third"))
    assert "the form names the project 'third'" in said
    assert "METADATA names the project 'demo'" in said
    assert "METADATA names the version '1.0'" in said


def test_a_wheel_whose_record_is_wrong_is_refused(site: Site) -> None:
    content = wheel("demo", "1.0", body=b"answer = 42").replace(b"answer = 42", b"answer = 43")
    said = str(site.refused("sandbox", content))
    assert "not a wheel" in said or "record" in said


@pytest.mark.parametrize("content", [b"", b"no zip at all", wheel("demo", "1.0")[:-30]])
@pytest.mark.parametrize("filename", [NAME, "demo-1.0.tar.gz", "demo-1.0.zip"])
def test_what_is_no_archive_is_refused(site: Site, content: bytes, filename: str) -> None:
    assert site.refused("sandbox", content, filename).status == 400


def test_an_sdist_is_held_against_its_own_metadata(site: Site) -> None:
    assert site.upload("sandbox", sdist("demo", "1.0"), "demo-1.0.tar.gz").new
    said = str(site.refused("sandbox", sdist("demo", "1.0"), "other-2.0.tar.gz"))
    assert "PKG-INFO names the project 'demo'" in said
    assert "PKG-INFO names the version '1.0'" in said
    assert "core-metadata" not in site.files("sandbox")["demo-1.0.tar.gz"]


def test_a_wheel_waits_until_its_tests_are_in_and_nobody_sees_it_before(site: Site) -> None:
    site.make(Index(name="heir", bases=("dev",)))
    receipt = site.upload("dev", wheel("demo", "1.0"))
    assert (receipt.index, receipt.new) == ("dev/+pending", True)
    assert "waits on dev/+pending" in receipt.note
    assert (site.files("dev"), site.files("heir")) == ({}, {})
    assert set(site.files("dev/+pending")) == {NAME}
    site.settle()
    assert set(site.files("dev")) == set(site.files("heir")) == {NAME}
    assert site.files("dev")[NAME]["_tests"] == {"cp311-manylinux_2_17_x86_64": "passed"}
    assert site.coordinator.events.projects("dev/+pending") == frozenset()
    assert [each.state for each in site.coordinator.events.publications()] == ["withdrawn", "published"]


def test_a_wheel_whose_test_fails_waits_and_is_tried_again_when_it_is_uploaded_again() -> None:
    site = Site(importable=False)
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    assert site.files("dev") == {}
    (waits,) = site.coordinator.events.publications("dev/+pending", frozenset({"published"}))
    assert "the test for cp311-manylinux_2_17_x86_64 failed" in waits.note
    tick(site.coordinator)
    assert not site.coordinator.requests.open_requests(), "nobody asks for its tests again by themselves"
    site.machine.importable = True
    receipt = site.upload("dev", wheel("demo", "1.0"))
    assert not receipt.new
    assert receipt.note.startswith("its tests are tried again")
    site.settle()
    assert set(site.files("dev")) == {NAME}


def test_a_file_that_failed_is_replaced_by_a_better_one_of_the_same_name() -> None:
    site = Site(importable=False)
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    site.machine.importable = True
    better = wheel("demo", "1.0", body=b"better = 1\n")
    assert site.upload("dev", better).new
    site.settle()
    (file,) = site.files("dev").values()
    assert file["hashes"]["sha256"] == sha256(better).hexdigest()
    assert site.coordinator.events.projects("dev/+pending") == frozenset()


def test_every_interpreter_on_hand_that_it_covers_tests_it() -> None:
    site = Site(abis=("cp311", "cp312", "cp313"))
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    assert len(site.files("dev")[NAME]["_tests"]) == 3


@pytest.mark.parametrize(
    ("content", "filename", "words"),
    [
        (sdist("demo", "1.0"), "demo-1.0.tar.gz", "an sdist waits for a wheel of 1.0 on dev"),
        (wheel("demo", "1.0", "py2-none-any"), "demo-1.0-py2-none-any.whl", "nothing here is for"),
    ],
)
def test_what_nothing_here_can_test_waits_with_the_reason_until_the_policy_takes_it(
    site: Site, content: bytes, filename: str, words: str
) -> None:
    site.upload("dev", content, filename)
    site.settle()
    (waits,) = site.coordinator.events.publications("dev/+pending", frozenset({"published"}))
    assert waits.note.startswith("dev takes what was passed or skipped; its test was not run")
    assert words in waits.note
    site.make(Index(name="dev", accepts=EVERYTHING))
    assert site.upload("dev", content, filename).index == "dev"
    assert filename in site.files("dev")


@pytest.mark.parametrize("first", [NAME, "demo-1.0.tar.gz"])
def test_an_sdist_comes_through_with_a_wheel_of_its_version(site: Site, first: str) -> None:
    contents = {NAME: wheel("demo", "1.0"), "demo-1.0.tar.gz": sdist("demo", "1.0")}
    for name in (first, *(contents.keys() - {first})):
        assert site.upload("dev", contents[name], name).index == "dev/+pending"
        site.settle()
    assert site.files("dev").keys() == contents.keys()
    assert site.files("dev/+pending") == {}


def test_an_sdist_whose_wheel_comes_while_it_is_judged_comes_through(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_slowly(farm: Coordinator, request: BuildRequest, judgements: Iterable[Judgement]) -> None:
        monkeypatch.undo()
        site.upload("dev", wheel("demo", "1.0"))
        (other,) = (each for each in farm.requests.open_requests() if each != request)
        tick(farm, other)
        work_one(site.place, site.worker)
        tick(farm, other)
        gate.hold(farm, request, judgements)

    site.upload("dev", sdist("demo", "1.0"), "demo-1.0.tar.gz")
    monkeypatch.setattr("buildfarm.farm.tick.hold", hold_slowly)
    tick(site.coordinator)
    site.settle()
    assert set(site.files("dev")) == {NAME, "demo-1.0.tar.gz"}


def test_an_sdist_does_not_come_through_where_its_wheel_fails() -> None:
    site = Site(importable=False)
    site.upload("dev", wheel("demo", "1.0"))
    site.upload("dev", sdist("demo", "1.0"), "demo-1.0.tar.gz")
    site.settle()
    assert site.files("dev") == {}


def test_the_sites_own_recipe_says_how_it_is_tested(site: Site) -> None:
    skipping = Recipe(name="demo", versions=("1.0",), overrides=(Override(select="*", skip="no screen"),))
    site.coordinator = replace(site.coordinator, recipe={"demo": skipping}.get)
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    (published,) = (each for each in site.told("dev") if isinstance(each, FilePublished))
    assert published.tried == (
        Tried(target="cp311-manylinux_2_17_x86_64", verdict=Verdict.SKIPPED, reason="no screen"),
    )


def test_a_recipe_for_other_versions_says_nothing_of_this_one(site: Site) -> None:
    skipping = Recipe(name="demo", versions=("2.0",), overrides=(Override(select="*", skip="no screen"),))
    site.coordinator = replace(site.coordinator, recipe={"demo": skipping}.get)
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    assert set(site.files("dev")[NAME]["_tests"].values()) == {"passed"}


def test_other_bytes_that_come_while_the_first_are_let_through_wait_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = wheel("demo", "1.0", body=b"other = 1\n")

    def release_slowly(farm: Coordinator, publication: Publication) -> bool:
        if publication.index == "dev":
            assert site.upload("dev", other).new
        return release(farm, publication)

    site.upload("dev", wheel("demo", "1.0"))
    monkeypatch.setattr(gate, "release", release_slowly)
    tick(site.coordinator)
    work_one(site.place, site.worker)
    tick(site.coordinator)
    assert site.files("dev")[NAME]["hashes"]["sha256"] == sha256(wheel("demo", "1.0")).hexdigest()
    assert site.files("dev/+pending")[NAME]["hashes"]["sha256"] == sha256(other).hexdigest()
    (waits,) = gate.waiting(site.coordinator, "dev")
    assert waits.artifact.sha256 == sha256(other).hexdigest()


def test_a_token_that_is_revoked_meanwhile_publishes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    token = site.ledger.tokens.keep(Token(index="sandbox", right=Right.UPLOAD), "a" * 64).id
    put = site.store.put

    def put_slowly(name: str, content: IO[bytes]) -> Artifact:
        site.ledger.tokens.revoke(token)
        return put(name, content)

    monkeypatch.setattr(site.store, "put", put_slowly)
    refusal = site.refused("sandbox", wheel("demo", "1.0"), token=token)
    assert (refusal.status, f"token {token} was revoked" in str(refusal)) == (403, True)
    tick(site.coordinator)
    assert site.files("sandbox") == {}


def test_what_was_deleted_while_it_waited_is_not_let_through(site: Site) -> None:
    site.upload("dev", wheel("demo", "1.0"))
    site.coordinator.events.append("dev/+pending", FileDeleted(project="demo", filename=NAME))
    site.settle()
    assert (site.files("dev"), site.files("dev/+pending")) == ({}, {})


@pytest.mark.parametrize(("index", "many"), [("release", 16), ("dev", 8)])
def test_however_many_come_at_once_all_are_there_and_none_is_twice(site: Site, index: str, many: int) -> None:
    wheels = {f"demo-1.{number}-py3-none-any.whl": wheel("demo", f"1.{number}") for number in range(many)}
    with ThreadPoolExecutor(max_workers=16) as pool:
        receipts = list(pool.map(lambda item: site.upload(index, item[1], item[0]), wheels.items()))
    assert all(each.new for each in receipts)
    where = receipts[0].index
    assert set(site.files(where)) == set(wheels)
    assert len(site.told(where)) == many


def test_of_many_with_one_name_and_other_bytes_one_is_taken(site: Site) -> None:
    bodies = [f"n = {number}\n".encode() for number in range(8)]

    def attempt(body: bytes) -> str:
        try:
            site.upload("release", wheel("demo", "1.0", body=body))
        except Refused as refused:
            return str(refused)
        return ""

    with ThreadPoolExecutor(max_workers=8) as pool:
        said = list(pool.map(attempt, bodies))
    assert said.count("") == 1
    assert all("already exists" in each for each in said if each)
    assert len(site.told("release")) == 1
    assert len(site.files("release")) == 1


def test_nothing_is_kept_of_what_is_refused(site: Site) -> None:
    site.refused("sandbox", b"no wheel")
    assert not site.store.has(sha256(b"no wheel").hexdigest())

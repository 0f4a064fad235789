"""Promotion, yanks, marks and deletions, over the memory adapters."""

from __future__ import annotations

import pytest

from buildfarm.farm.promote import promote
from buildfarm.farm.why import why
from buildfarm.farm.withdraw import delete, mark, unyank, yank
from buildfarm.model.errors import Refused
from buildfarm.model.events import FilePublished, FileYanked, Origin, Status
from buildfarm.model.index import Index
from tests.unit.farm.test_memory_story import DEMO, wheel
from tests.unit.farm.test_receive import EVERYTHING, NAME, Site

SECOND = "demo-1.0-1-py3-none-any.whl"


@pytest.fixture
def site() -> Site:
    """Demo 1.0 is on ``dev``, tested, and on ``sandbox``, untested."""
    made = Site()
    made.make(Index(name="qa"))
    for index in ("dev", "sandbox"):
        made.upload(index, wheel("demo", "1.0"))
    made.settle()
    return made


def refused(site: Site, *operands: str, source: str, target: str) -> Refused:
    with pytest.raises(Refused) as caught:
        promote(site.coordinator, operands, source=source, target=target)
    return caught.value


def test_the_same_bytes_are_on_the_other_index_with_their_results(site: Site) -> None:
    (promoted,) = promote(site.coordinator, ["Demo==1"], source="dev", target="qa", who="bob")
    assert (promoted.new, promoted.file.name) == (True, NAME)
    before, after = site.files("dev")[NAME], site.files("qa")[NAME]
    assert after["hashes"] == before["hashes"]
    assert after["_tests"] == before["_tests"] == {"cp311-manylinux_2_17_x86_64": "passed"}
    assert after["url"] != before["url"], "each index has files of its own: rights to read are by path"
    (event,) = site.coordinator.events.events("qa", "demo")
    assert isinstance(event.payload, FilePublished)
    assert (event.who, event.payload.origin, event.payload.source) == ("bob", Origin.PROMOTED, "dev")


def test_why_tells_how_it_came_by_name_digits_or_project(site: Site) -> None:
    promote(site.coordinator, [NAME], source="dev", target="qa", who="bob")
    yank(site.coordinator, [NAME], index="qa", reason="broken")
    site.upload("dev", wheel("other", "1.0"), "other-1.0-py3-none-any.whl")
    stories, (arrival,) = why(site.coordinator, f"dist/{NAME}")
    assert stories == ()
    told = [(each.index, type(each.payload)) for each in arrival.events if each.index in ("dev", "qa")]
    assert told == [("dev", FilePublished), ("qa", FilePublished), ("qa", FileYanked)]
    for wanted in ("Demo", arrival.artifact.sha256[:4], NAME):
        assert why(site.coordinator, wanted) == ((), (arrival,))


def test_what_befell_a_file_of_the_same_name_before_is_not_told_of_another(site: Site) -> None:
    (first,) = why(site.coordinator, NAME)[1]
    yank(site.coordinator, [NAME], index="sandbox", reason="A is broken")
    site.upload("sandbox", wheel("demo", "1.0", body=b"other = 1\n"))
    one, other = why(site.coordinator, NAME)[1]
    assert one.artifact == first.artifact
    of_sandbox = [[each.payload for each in story.events if each.index == "sandbox"] for story in (one, other)]
    (published, yanked, replaced), (alone,) = of_sandbox
    assert isinstance(published, FilePublished)
    assert isinstance(yanked, FileYanked)
    assert replaced == alone


def test_again_it_changes_nothing(site: Site) -> None:
    promote(site.coordinator, [NAME], source="dev", target="qa")
    (promoted,) = promote(site.coordinator, [NAME], source="dev", target="qa")
    assert not promoted.new
    assert len(site.told("qa")) == 1


def test_what_the_policy_does_not_accept_stays_where_it_is(site: Site) -> None:
    said = str(refused(site, "demo==1.0", source="sandbox", target="qa"))
    assert said == f"{NAME}: qa takes what was passed or skipped; its test was not run: nobody tested it"
    assert site.files("qa") == {}
    assert promote(site.coordinator, ["demo==1.0"], source="sandbox", target="release")


def test_everything_that_speaks_against_it_is_said_at_once(site: Site) -> None:
    site.upload("sandbox", wheel("demo", "1.0"), SECOND)
    yank(site.coordinator, [NAME], index="sandbox", reason="broken")
    mark(site.coordinator, ["demo"], index="sandbox", status=Status.QUARANTINED, reason="malware")
    site.upload("release", wheel("demo", "1.0", body=b"other = 1\n"), SECOND)
    assert str(refused(site, "demo==1.0", source="sandbox", target="release")).splitlines() == [
        "demo is quarantined on sandbox: malware",
        f"{SECOND} already exists on release with other bytes",
        f"{NAME} is yanked on sandbox: broken",
    ]


@pytest.mark.parametrize(
    ("operand", "source", "target", "status", "words"),
    [
        ("demo==1.0", "nowhere", "qa", 404, "there is no index 'nowhere'"),
        ("demo==1.0", "dev", "nowhere", 404, "there is no index 'nowhere'"),
        ("demo==2.0", "dev", "qa", 404, "dev has no demo==2.0 of its own; of demo it has 1.0"),
        ("Demo==1", "qa", "dev", 404, "qa has no Demo==1 of its own; of Demo it has nothing; dev, sandbox has"),
        ("none==2.0", "dev", "qa", 404, "of none it has nothing"),
        ("demo-3.0-py3-none-any.whl", "dev", "qa", 404, "dev has no demo-3.0-py3-none-any.whl of its own"),
        ("demo", "dev", "qa", 404, "neither a wheel"),
        ("demo==1.0", "dev", "third", 400, "third is a mirror"),
        ("demo==1.0", "dev", "dev", 400, "dev has them already"),
        ("demo==1.0", "sandbox", "dev/+pending", 400, "upload them to dev"),
    ],
)
def test_what_cannot_be_promoted(site: Site, operand: str, source: str, target: str, status: int, words: str) -> None:
    site.make(Index(name="dev/+pending", bases=("dev",)))
    refusal = refused(site, operand, source=source, target=target)
    assert (refusal.status, words in str(refusal)) == (status, True), str(refusal)


@pytest.mark.parametrize("target", ["release", "sandbox"])
def test_other_bytes_do_not_come_in_by_another_spelling(site: Site, target: str) -> None:
    site.make(Index(name="more", accepts=EVERYTHING))
    site.upload("more", wheel("demo", "1.0", body=b"other = 1\n"), "demo-1.0.0-py3-none-any.whl")
    site.upload("release", wheel("demo", "1.0"))
    said = str(refused(site, "demo==1.0", source="more", target=target))
    assert said.startswith(f"demo-1.0.0-py3-none-any.whl already exists on {target}, spelt {NAME}: ")
    assert set(site.files(target)) == {NAME}


def test_a_volatile_index_takes_other_bytes_of_a_name(site: Site) -> None:
    site.upload("release", wheel("demo", "1.0", body=b"other = 1\n"))
    (promoted,) = promote(site.coordinator, ["demo==1.0"], source="release", target="sandbox")
    assert promoted.new
    assert site.files("sandbox")[NAME]["hashes"] == site.files("release")[NAME]["hashes"]


def test_yanks_have_reasons_are_taken_back_and_reach_heirs(site: Site) -> None:
    site.make(Index(name="heir", bases=("qa", "dev")))
    (event,) = yank(site.coordinator, ["demo==1.0"], index="dev", reason="it eats data", who="bob")
    assert event.filename == NAME
    assert site.files("dev")[NAME]["yanked"] == site.files("heir")[NAME]["yanked"] == "it eats data"
    assert yank(site.coordinator, [NAME], index="dev", reason="it eats data") == ()
    assert site.coordinator.events.events("dev", "demo")[-1].who == "bob"
    assert unyank(site.coordinator, [NAME], index="dev")
    assert unyank(site.coordinator, [NAME], index="dev") == ()
    assert site.files("heir")[NAME]["yanked"] is False


def test_a_quarantined_project_offers_nothing_until_it_is_active_again(site: Site) -> None:
    assert mark(site.coordinator, ["Demo"], index="dev", status=Status.QUARANTINED, reason="malware")
    assert site.files("dev") == {}
    assert mark(site.coordinator, ["Demo"], index="dev", status=Status.QUARANTINED, reason="malware") == ()
    mark(site.coordinator, ["demo"], index="dev", status=Status.ACTIVE)
    assert set(site.files("dev")) == {NAME}
    with pytest.raises(Refused, match="dev has nothing of other of its own"):
        mark(site.coordinator, ["other"], index="dev", status=Status.ARCHIVED)


def test_only_what_is_volatile_or_waits_is_deleted_and_may_come_again(site: Site) -> None:
    with pytest.raises(Refused, match="dev is not volatile"):
        delete(site.coordinator, [NAME], index="dev")
    (gone,) = delete(site.coordinator, ["demo==1.0"], index="sandbox", reason="too old", who="bob")
    assert (gone.filename, gone.reason, site.files("sandbox")) == (NAME, "too old", {})
    with pytest.raises(Refused, match="sandbox has no demo=="):
        delete(site.coordinator, ["demo==1.0"], index="sandbox")
    assert site.upload("sandbox", wheel("demo", "1.0")).new
    assert set(site.files("sandbox")) == {NAME}


def test_a_wheel_that_waits_can_be_deleted() -> None:
    site = Site(importable=False)
    site.upload("dev", wheel("demo", "1.0"))
    site.settle()
    assert delete(site.coordinator, [NAME], index="dev/+pending")
    assert site.files("dev/+pending") == {}


def test_nothing_is_built_onto_an_index_that_has_the_name_in_another_spelling() -> None:
    site = Site()
    site.make(Index(name="main", accepts=EVERYTHING))
    site.upload("main", wheel("demo", "1.0", body=b"other = 1\n"), "Demo-1.0-py3-none-any.whl")
    ticked = site.build(DEMO)
    assert "spelt Demo-1.0-py3-none-any.whl" in ticked.judgements[0].withheld
    assert set(site.files("main")) == {"Demo-1.0-py3-none-any.whl"}


def test_a_built_wheel_is_promoted_with_its_results(site: Site) -> None:
    site.build(DEMO)
    (event,) = (each for each in site.coordinator.events.events("main", "demo"))
    assert isinstance(event.payload, FilePublished)
    assert [str(each.verdict) for each in event.payload.tried] == ["passed"]
    assert promote(site.coordinator, ["demo==1.0"], source="main", target="qa")

"""Files come onto an index from elsewhere, and go from it to elsewhere, over the memory adapters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import IO

import pytest

from buildfarm.adapters.listing import Listing
from buildfarm.adapters.memory import MemorySources
from buildfarm.farm.admit import approved, forbidden, hidden, look_up, mirror_of, needed
from buildfarm.farm.bring import Carried, Fate, bring, foresee
from buildfarm.farm.deliver import chosen, deliver
from buildfarm.farm.names import lasting
from buildfarm.farm.render import catch_up
from buildfarm.farm.tick import tick
from buildfarm.model.distribution import Named, Outgoing
from buildfarm.model.errors import Refused
from buildfarm.model.events import FilePublished, FileYanked, IndexConfigured, Origin
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.origin import Offer
from buildfarm.ports import Outlet
from tests.unit.farm.test_memory_story import Farm, Machine, sdist, wheel

NAME = "demo-1.0-py3-none-any.whl"
DEMO = Named(project="demo", version="1.0")


class World(Farm):
    """Indexes of both classes, and an upstream with the given files."""

    def __init__(self) -> None:
        self.upstream = {NAME: wheel("demo", "1.0", requires=("dep>=2",)), "demo-1.0.tar.gz": sdist("demo", "1.0")}
        self.upstream["dep-2.0-py3-none-any.whl"] = wheel("dep", "2.0")
        wheels = {name: content for name, content in self.upstream.items() if name.endswith(".whl")}
        super().__init__(Machine(lambda _: b""), sdists=self.upstream, wheels=wheels)
        self.make(Index(name="third", kind=IndexClass.MIRROR))
        self.make(Index(name="base", bases=("third",), reserved=("our-*",)))
        self.make(Index(name="sandbox", volatile=True))

    def make(self, index: Index) -> None:
        self.coordinator.events.append(index.name, IndexConfigured(index=index))
        catch_up(self.coordinator)

    def index(self, name: str) -> Index:
        return self.coordinator.events.indexes()[name]

    def offer(self, name: str = NAME, **more: object) -> Offer:
        offer = Offer(filename=name, origin=f"memory://{name}", sha256=sha256(self.upstream[name]).hexdigest())
        return replace(offer, **more)  # type: ignore[arg-type]

    @property
    def shelf(self) -> Listing:
        return Listing(map(self.offer, self.upstream))

    def bring(self, index: str, *offers: Offer) -> tuple[Carried, ...]:
        return tuple(bring(self.coordinator, self.index(index), offers, "ada"))


def fates(carried: tuple[Carried, ...]) -> list[Fate]:
    return [each.fate for each in carried]


def test_what_is_admitted_says_whence_when_and_by_whom() -> None:
    world = World()
    uploaded = "2024-01-02T03:04:05.678Z"
    offer = world.offer(yanked=True, yank_reason="broken", uploaded=uploaded)
    (carried,) = world.bring("third", offer)
    assert (carried.fate, carried.note, carried.name) == (Fate.NEW, "yanked: broken", DEMO)
    published, yanked = world.coordinator.events.events("third", "demo")
    assert isinstance(published.payload, FilePublished)
    assert (published.payload.origin, published.payload.uploaded) == (Origin.ADMITTED, uploaded)
    assert (published.payload.source, published.who) == (f"memory://{NAME}", "ada")
    assert yanked.payload == FileYanked(project="demo", filename=NAME, reason="broken")
    page = (world.tree.read("base/simple/demo/index.html") or b"").decode()
    assert 'data-yanked="broken"' in page, "heirs show it at once"
    assert b'"demo"' in (world.tree.read("base/simple/index.json") or b"")


def test_no_password_of_the_source_is_kept() -> None:
    world = World()
    world.coordinator.sources._sdists["https://ada:secret@host/x"] = world.upstream[NAME]  # type: ignore[attr-defined]
    world.bring("third", world.offer(origin="https://ada:secret@host/x"))
    (event,) = world.coordinator.events.events("third", "demo")
    assert "secret" not in str(event)


def test_again_it_is_there_already() -> None:
    world = World()
    world.bring("third", world.offer())
    serial = world.coordinator.events.since(0)[-1].serial
    assert fates(world.bring("third", world.offer(), world.offer(sha256=""))) == [Fate.THERE, Fate.THERE]
    assert world.coordinator.events.since(0)[-1].serial == serial
    (carried,) = world.bring("third", world.offer(yanked=True))
    assert carried.note == "yanked there since: without a reason"


def test_other_bytes_under_a_name_that_is_there_are_a_conflict() -> None:
    world = World()
    world.bring("third", world.offer())
    world.upstream[NAME] = wheel("demo", "1.0", body=b"other = 1")
    world.coordinator = replace(world.coordinator, sources=MemorySources(world.upstream, world.store))
    for offer in (world.offer(), world.offer(sha256="")):
        (carried,) = world.bring("third", offer)
        assert carried.fate is Fate.CONFLICT
        assert sha256(world.upstream[NAME]).hexdigest() in carried.note


@pytest.mark.parametrize("index", ["third", "sandbox"])
def test_what_is_there_in_another_spelling_does_not_come_twice(index: str) -> None:
    world = World()
    world.bring(index, world.offer())
    spelt = "Demo-1.0.0-py3-none-any.whl"
    world.upstream[spelt] = wheel("demo", "1.0", body=b"other = 1")
    world.coordinator = replace(world.coordinator, sources=MemorySources(world.upstream, world.store))
    (told,) = foresee(world.coordinator, world.index(index), [world.offer(spelt)])
    assert world.bring(index, world.offer(spelt)) == (told,)
    assert (told.fate, told.note.partition(":")[0]) == (
        Fate.REFUSED,
        f"{spelt} already exists on {index}, spelt {NAME}",
    )


def test_other_bytes_than_promised_never_come() -> None:
    world = World()
    (carried,) = world.bring("third", world.offer(sha256="0" * 64))
    assert carried.fate is Fate.REFUSED
    assert f"not sha256:{'0' * 64}" in carried.note
    assert world.tree.names("third/simple/demo") == ()


def test_what_breaks_a_rule_is_a_warning_on_a_mirror_and_refused_on_an_index_of_ours() -> None:
    world = World()
    world.upstream[NAME] = wheel("demo", "1.0", tag="py2-none-any")
    world.coordinator = replace(world.coordinator, sources=MemorySources(world.upstream, world.store))
    (carried,) = world.bring("base", world.offer())
    assert carried.fate is Fate.REFUSED
    assert carried.note.startswith("tags: ")
    (carried,) = world.bring("third", world.offer())
    assert carried.fate is Fate.NEW
    assert any(each.startswith("tags: ") for each in carried.warnings)


def test_what_is_no_archive_is_refused_everywhere() -> None:
    world = World()
    world.upstream |= {NAME: b"no zip", "demo-1.0.tar.gz": b"no tar"}
    world.coordinator = replace(world.coordinator, sources=MemorySources(world.upstream, world.store))
    carried = world.bring("third", world.offer(), world.offer("demo-1.0.tar.gz"))
    assert fates(carried) == [Fate.REFUSED, Fate.REFUSED]
    assert world.tree.names("third/simple/demo") == ()


@pytest.mark.parametrize(
    "name", ["nul\x00x-1.0.tar.gz", "a/b-1.0.tar.gz", "../../x-1.0.tar.gz", "\ud800-1.0.tar.gz", f"{'a' * 300}-1.0.zip"]
)
def test_a_name_that_no_file_should_have_is_refused_and_the_rest_comes(name: str) -> None:
    world = World()
    offers = (world.offer(filename=name), world.offer())
    foreseen = tuple(foresee(world.coordinator, world.index("third"), offers))
    told = world.bring("third", *offers)
    assert fates(foreseen) == fates(told) == [Fate.REFUSED, Fate.NEW]
    assert "is no plain file name" in told[0].note
    assert not tick(world.coordinator)
    assert world.coordinator.events.projects("third") == {"demo"}


def test_the_files_of_a_release_are_shown_together_and_a_kill_before_that_is_mended_by_a_tick() -> None:
    world = World()
    seen: list[str] = []
    written = world.tree.spread

    def spread(files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        whole = [(content, list(paths)) for content, paths in files]
        seen.extend(path for _, paths in whole for path in paths)
        written(whole)

    world.tree.spread = spread  # type: ignore[method-assign]
    coming = world.bring("third", world.offer(), world.offer("demo-1.0.tar.gz"))
    assert fates(coming) == [Fate.NEW, Fate.NEW]
    assert seen.count("third/simple/demo/index.json") == 1, "with both"

    world = World()
    world.tree.spread = lambda files: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.bring("third", world.offer())
    del world.tree.spread
    tick(world.coordinator)
    assert NAME in (world.tree.read("third/simple/demo/index.html") or b"").decode()
    assert fates(world.bring("third", world.offer())) == [Fate.THERE]
    assert len(world.coordinator.events.events("third", "demo")) == 1


def test_onto_a_mirror_no_name_of_ours_comes_whoever_brings_it() -> None:
    world = World()
    world.bring("base", world.offer())
    (carried,) = world.bring("third", world.offer("demo-1.0.tar.gz"))
    (told,) = foresee(world.coordinator, world.index("third"), [world.offer("demo-1.0.tar.gz")])
    assert carried == told
    assert (carried.fate, carried.note.partition(",")[0]) == (Fate.REFUSED, "demo==1.0: the name is base's own")


def test_what_would_come_is_told_and_nothing_comes() -> None:
    world = World()
    world.bring("third", world.offer())
    offers = [world.offer(), world.offer(sha256=""), world.offer(sha256="0" * 64), world.offer("demo-1.0.tar.gz")]
    told = tuple(foresee(world.coordinator, world.index("third"), [*offers, world.offer(filename="README.txt")]))
    assert fates(told) == [Fate.THERE, Fate.NEW, Fate.CONFLICT, Fate.NEW]
    assert len(world.coordinator.events.events("third", "demo")) == 1


# --------------------------------------------------------------------------------------------------- admission


def test_releases_are_looked_up_however_their_versions_are_spelt() -> None:
    world = World()
    (found,) = look_up(world.shelf, [Named(project="demo", version="1")])
    assert {each.filename for each in found.offers} == {NAME, "demo-1.0.tar.gz"}
    (found,) = look_up(world.shelf, [DEMO], ("*.whl",))
    assert [each.filename for each in found.offers] == [NAME]


def test_everything_that_is_not_to_be_had_is_told_at_once() -> None:
    world = World()
    wanted = [Named(project=project, version="9") for project in ("demo", "nothing")]
    with pytest.raises(Refused) as refused:
        look_up(world.shelf, [*wanted, DEMO], ("*-musllinux*",))
    first, second, third = str(refused.value).splitlines()
    assert first == "there is no demo==9; of demo there is 1.0"
    assert second == "there is no nothing==9; of nothing there is nothing"
    assert third == f"demo==1.0: none of its files is *-musllinux*: {NAME}, demo-1.0.tar.gz"


def test_what_was_approved_is_held_against_what_upstream_has_now() -> None:
    world = World()
    releases = look_up(world.shelf, [DEMO])
    digest = world.offer().sha256
    (release,) = approved(releases, {DEMO: {NAME: digest}})
    assert [each.filename for each in release.offers] == [NAME], "only that file was approved"
    with pytest.raises(Refused) as refused:
        approved(releases, {DEMO: {NAME: "0" * 64, "demo-1.0.zip": digest}})
    other, missing, *_ = str(refused.value).splitlines()
    assert other == f"{NAME}: approved is sha256:{'0' * 64}, upstream has sha256:{digest}"
    assert missing == "demo==1.0: demo-1.0.zip is approved, and is not to be had"


def test_names_of_ours_never_come_from_outside() -> None:
    world = World()
    farm = world.coordinator
    ours = Named(project="our-tool", version="1")
    (why,) = forbidden(farm, [ours, DEMO])
    assert why.startswith("our-tool==1: base reserves 'our-*'")
    world.bring("sandbox", world.offer())
    assert not tuple(forbidden(farm, [DEMO])), "whoever may upload to a sandbox decides nothing"
    (why,) = hidden(farm, [DEMO, ours])
    assert why.startswith("demo is sandbox's own name too")
    world.bring("base", world.offer())
    assert lasting(farm.events, "demo") == ("base",)
    (why,) = forbidden(farm, [DEMO])
    assert why.startswith("demo==1.0: the name is base's own")


def test_only_a_mirror_takes_what_is_admitted() -> None:
    world = World()
    assert mirror_of(world.coordinator, "third").kind is IndexClass.MIRROR
    with pytest.raises(Refused, match="base is an internal index"):
        mirror_of(world.coordinator, "base")
    with pytest.raises(Refused, match="no index 'nope'"):
        mirror_of(world.coordinator, "nope")


def test_dependencies_are_listed_until_they_are_there_or_ours() -> None:
    world = World()
    dep = Named(project="dep", version="2.0")
    needs = needed(world.coordinator, "third", (DEMO,), world.environments)
    assert (needs.releases, needs.unknown) == ((dep,), ())
    world.bring("third", world.offer("dep-2.0-py3-none-any.whl"))
    assert needed(world.coordinator, "third", (DEMO,), world.environments).releases == ()
    world = World()
    world.bring("base", world.offer("dep-2.0-py3-none-any.whl"))
    assert needed(world.coordinator, "third", (DEMO,), world.environments).releases == ()
    unknown = needed(world.coordinator, "third", (Named(project="none", version="1"),), world.environments).unknown
    assert unknown[0].startswith("none==1 for cp311-manylinux_2_17_x86_64: ")


# ---------------------------------------------------------------------------------------------------- delivery


class Elsewhere(Outlet):
    """An outlet that keeps what it gets, has some files, and refuses with a status."""

    def __init__(self, has: Mapping[str, str], status: int = 0) -> None:
        self.files, self.status = dict(has), status
        self.got: list[Outgoing] = []

    def has(self, project: str) -> Mapping[str, str]:
        return self.files

    def put(self, file: Outgoing, content: IO[bytes]) -> None:
        if self.status:
            raise Refused("no", self.status)
        assert sha256(content.read()).hexdigest() == file.artifact.sha256
        self.got.append(file)


def delivered(world: World, outlet: Elsewhere) -> tuple[Carried, ...]:
    return tuple(deliver(world.coordinator, chosen(world.coordinator, "base", [DEMO]), outlet))


def test_releases_that_an_index_shows_are_delivered_with_their_metadata() -> None:
    world = World()
    world.bring("third", world.offer(), world.offer("demo-1.0.tar.gz"))
    outlet = Elsewhere({})
    assert fates(delivered(world, outlet)) == [Fate.NEW, Fate.NEW]
    first, second = outlet.got
    assert (first.artifact.name, first.metadata.decode().splitlines()[1]) == (NAME, "Name: demo")
    assert (second.artifact.name, second.metadata) == ("demo-1.0.tar.gz", b"")


def test_what_is_there_is_not_sent_and_other_bytes_are_a_conflict() -> None:
    world = World()
    world.bring("third", world.offer(), world.offer("demo-1.0.tar.gz"))
    outlet = Elsewhere({NAME: world.offer().sha256, "demo-1.0.tar.gz": "0" * 64})
    assert fates(delivered(world, outlet)) == [Fate.THERE, Fate.CONFLICT]
    assert outlet.got == []
    assert fates(delivered(world, Elsewhere({NAME: ""}, status=409))) == [Fate.CONFLICT, Fate.CONFLICT]
    assert fates(delivered(world, Elsewhere({}, status=400))) == [Fate.REFUSED, Fate.REFUSED]
    assert fates(delivered(world, Elsewhere({}, status=403))) == [Fate.REFUSED], "the rest would be refused too"


def test_what_is_not_shown_or_yanked_goes_nowhere() -> None:
    world = World()
    world.bring("third", world.offer(yanked=True))
    with pytest.raises(Refused) as refused:
        chosen(world.coordinator, "base", [DEMO, Named(project="demo", version="2"), Named(project="x", version="1")])
    assert str(refused.value).splitlines() == [
        f"{NAME} is yanked (without a reason): it goes nowhere",
        "base shows no demo==2; of demo it shows 1.0",
        "base shows no x==1; of x it shows nothing",
    ]

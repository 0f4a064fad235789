"""Whose the name of a project is, over the memory adapters."""

from __future__ import annotations

import pytest

from buildfarm.farm.admit import forbidden
from buildfarm.farm.indexes import change
from buildfarm.farm.names import Foreign, foreign, give_up, lasting, owners
from buildfarm.farm.withdraw import delete
from buildfarm.model.distribution import Named
from buildfarm.model.errors import Refused
from buildfarm.model.index import Index, IndexClass, pending_of
from tests.unit.farm.test_memory_story import wheel
from tests.unit.farm.test_receive import EVERYTHING, NAME, Site

DEMO = Named(project="demo", version="1.0")


def test_a_name_is_owned_while_its_first_file_waits_and_when_the_last_is_gone() -> None:
    site = Site()
    farm = site.coordinator
    site.upload("dev", wheel("demo", "1.0"))
    site.upload("sandbox", wheel("demo", "1.0"))
    assert [each.name for each in owners(farm.events, "demo")] == ["dev", "sandbox"]
    assert lasting(farm.events, "demo") == ("dev",)
    delete(farm, [NAME], index="sandbox")
    delete(farm, [NAME], index=pending_of("dev"))
    assert [each.name for each in owners(farm.events, "demo")] == ["dev", "sandbox"]
    (why,) = forbidden(farm, [DEMO])
    assert "`buildfarm disown demo --index dev`" in why


@pytest.mark.parametrize("index", ["dev", "sandbox"])
def test_a_name_is_given_up_when_nothing_of_it_is_left(index: str) -> None:
    site = Site()
    farm = site.coordinator
    site.upload(index, wheel("demo", "1.0"))
    at = pending_of(index) if index == "dev" else index
    with pytest.raises(Refused, match=f"{at.replace('+', '.')} has files of demo: delete them first"):
        give_up(farm, ["demo"], index=index)
    delete(farm, [NAME], index=at)
    (event,) = give_up(farm, ["Demo"], index=index, who="ada")
    assert event.project == "demo"
    assert farm.events.since(0)[-1].who == "ada"
    assert owners(farm.events, "demo") == ()
    with pytest.raises(Refused, match=f"the name demo is not {index}'s own") as refused:
        give_up(farm, ["demo"], index=index)
    assert refused.value.status == 404
    site.upload(index, wheel("demo", "1.0"))
    delete(farm, [NAME], index=at)
    assert give_up(farm, ["demo"], index=index), "and again"


def test_what_readers_of_a_mirror_alone_may_take_for_ours_is_told() -> None:
    site = Site()
    farm = site.coordinator
    site.upload("release", wheel("demo", "1.0"))
    site.upload("dev", wheel("demo", "1.0"))
    change(farm, Index(name="third", accepts=EVERYTHING))  # an upload is the shortest way for a file onto it
    site.upload("third", wheel("demo", "1.0"))
    site.upload("third", wheel("theirs", "1.0"), "theirs-1.0-py3-none-any.whl")
    change(farm, Index(name="third", kind=IndexClass.MIRROR))
    site.make(Index(name="outer", bases=("third",)))
    site.make(Index(name="inner", bases=("third", "release")))
    assert tuple(foreign(farm, ("third", "release", "inner", "outer", "dev"))) == (
        Foreign(index="third", project="demo", owners=("dev", "release")),
        Foreign(index="outer", project="demo", owners=("dev", "release")),
    ), "inner shows what release has"

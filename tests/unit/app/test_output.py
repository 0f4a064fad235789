"""The end of a build, as a person reads it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from buildfarm.app.local import Result
from buildfarm.app.output import places, where_next
from buildfarm.app.settings import Settings
from buildfarm.farm.expand import preview
from buildfarm.farm.tick import submit
from buildfarm.model.job import BuildRequest, Environment
from buildfarm.model.recipe import Build, Recipe
from tests.unit.farm.test_memory_story import DEMO, Farm, Machine, environment, sdist, wheel
from tests.unit.farm.test_supersede import PURE, SECOND, Stamping


def end(farm: Farm, *recipes: Recipe) -> str:
    """What is said after a build of the recipes."""
    request = submit(farm.coordinator, BuildRequest(recipes=recipes))
    before = {row.job.key for row in farm.coordinator.jobs.rows() if row.state == "succeeded"}
    ticked = farm.build(*recipes)
    rows = farm.coordinator.jobs.rows(request.id)
    cached = frozenset(row.job.key for row in rows) & before
    said = io.StringIO()
    result = Result(request=request, ticked=ticked, rows=rows, cached=frozenset(cached))
    where_next(result, Settings(home=Path("/home/me/farm")), Console(file=said, width=500))
    return said.getvalue()


def test_nothing_to_do_is_said_only_where_everything_is_there() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    assert "Nothing to do" not in end(farm, DEMO)
    assert "Nothing to do" in end(farm, DEMO)
    assert "Nothing to do" not in end(farm, DEMO, Recipe(name="nobody", versions=("1.0",)))


def test_a_build_tag_and_a_yank_are_explained_when_they_are_given() -> None:
    farm = Farm(Stamping())
    good, mistaken = (replace(DEMO, build=Build(config_settings={"body": body})) for body in "ab")
    assert "build 1" not in end(farm, good)
    assert "demo 1.0 was published before with other content: this one is build 1" in end(farm, mistaken)
    said = end(farm, good)
    assert f"{SECOND} is yanked: superseded by {PURE}" in said
    assert "Nothing to do" not in said
    assert "Nothing to do" in end(farm, good)
    assert f"{SECOND} is no longer yanked" in end(farm, mistaken)


def test_what_no_image_has_is_said_to_be_on_the_machine() -> None:
    hosted, contained = environment("cp312"), replace(environment("cp311"), image="debian11", test_image="bare")

    def said(*offered: Environment) -> str:
        farm = Farm(Machine(lambda _: b""), {"demo-1.0.tar.gz": sdist("demo", "1.0", file="x.c")})
        farm.environments = offered
        heard = io.StringIO()
        places(preview(farm.coordinator, BuildRequest(recipes=(DEMO,))), offered, Console(file=heard, width=500))
        return heard.getvalue()

    assert said(hosted, contained).startswith("cp312: on this machine itself, because no image")
    assert said(hosted) == said(contained) == said(contained, replace(hosted, image="other", test_image="bare")) == ""

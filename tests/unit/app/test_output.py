"""The end of a build, as a person reads it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from buildfarm.app.local import Result
from buildfarm.app.output import where_next
from buildfarm.app.settings import Settings
from buildfarm.farm.tick import submit
from buildfarm.model.job import BuildRequest
from buildfarm.model.recipe import Build, Recipe
from tests.unit.farm.test_memory_story import DEMO, Farm, Machine, wheel
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

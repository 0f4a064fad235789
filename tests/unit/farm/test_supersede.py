"""The newest wish wins on the index too, whatever build tags and tags would say."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

import pytest

from buildfarm.adapters.sql.database import never_crash
from buildfarm.farm.tick import Ticked
from buildfarm.farm.why import why
from buildfarm.model.events import FileYanked
from buildfarm.model.recipe import Build
from buildfarm.model.session import Command
from buildfarm.pages.project import fold
from tests.unit.farm.test_memory_story import DEMO, PLATFORM, Farm, Machine, wheel

pytestmark = pytest.mark.slow  # each is a story of several builds

PURE = "demo-1.0-py3-none-any.whl"
SECOND = "demo-1.0-1-py3-none-any.whl"


class Stamping(Machine):
    """Makes what the recipe's ``tag`` and ``body`` say, and stamps build tags into names."""

    def __init__(self) -> None:
        super().__init__(self.make)

    def make(self, request: dict[str, object]) -> bytes:
        said = dict(request["config_settings"])  # type: ignore[call-overload]
        return wheel("demo", "1.0", tag=said.get("tag", "py3-none-any"), body=said["body"].encode())

    def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
        if command.what == "stamp the build tag":
            path = command.argv[-1]
            files[path.replace("-1.0-", f"-1.0-{command.argv[-2]}-")] = files.pop(path)
        return super().__call__(command, files)


def wish(farm: Farm, body: str, **settings: str) -> Ticked:
    return farm.build(replace(DEMO, build=Build(config_settings={"body": body, **settings})))


def standing(farm: Farm) -> set[str]:
    """The files of the index that are not yanked."""
    (project,) = fold(farm.coordinator.events.events("main")).values()
    return {file.published.artifact.name for file in project.files if file.yanked is None}


def test_a_then_b_then_a_then_b() -> None:
    farm = Farm(Stamping())
    assert wish(farm, "a").yanks == ()
    assert wish(farm, "b").yanks == ()
    assert standing(farm) == {PURE, SECOND}  # installers prefer the second: so it was wished
    reason = f"superseded by {PURE}, which request 3 wished"
    assert wish(farm, "a").yanks == (FileYanked(project="demo", filename=SECOND, reason=reason),)
    assert standing(farm) == {PURE}
    assert f'data-yanked="{reason}"' in farm.page()
    ((story,), _) = why(farm.coordinator, SECOND)
    assert story.yanked == {"main": reason}
    assert wish(farm, "a").yanks == ()
    assert wish(farm, "b").yanks == (FileYanked(project="demo", filename=SECOND, reason=None),)
    assert standing(farm) == {PURE, SECOND}
    assert [each.filename for each in wish(farm, "a").yanks] == [SECOND]
    assert standing(farm) == {PURE}


def test_a_wheel_whose_tags_installers_prefer_is_superseded_too() -> None:
    farm = Farm(Stamping())
    wish(farm, "a", tag="cp311-none-any")
    wish(farm, "b")
    assert standing(farm) == {SECOND}


def test_a_wheel_for_other_targets_stays() -> None:
    farm = Farm(Stamping(), abis=("cp311", "cp312"))
    wish(farm, "a", tag="cp311-none-any")
    farm.build(replace(DEMO, build=Build(config_settings={"body": "b"})), targets=(f"cp312-{PLATFORM}",))
    assert "demo-1.0-cp311-none-any.whl" in standing(farm)


def test_the_yank_of_a_person_is_not_taken_back_and_supersedes_nothing() -> None:
    farm = Farm(Stamping())
    wish(farm, "a")
    wish(farm, "b")
    farm.coordinator.events.append("main", FileYanked(project="demo", filename=PURE, reason="leaks"))
    assert wish(farm, "a").yanks == ()
    assert standing(farm) == {SECOND}


@pytest.mark.parametrize("killed", ["event:before", "event:after", "pages:before", "pages:after"])
def test_a_kill_on_the_way_is_made_good_by_the_next_tick(killed: str) -> None:
    farm = Farm(Stamping())
    wish(farm, "a")
    wish(farm, "b")

    class Killed(BaseException):
        pass

    def crash(point: str) -> None:
        if point == killed:
            raise Killed

    farm.ledger.database._crash = crash
    with pytest.raises(Killed):
        wish(farm, "a")
    farm.ledger.database._crash = never_crash
    wish(farm, "a")
    assert standing(farm) == {PURE}
    assert "superseded by" in farm.page()

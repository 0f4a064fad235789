"""Sessions open where their environment is."""

from __future__ import annotations

import pytest

from buildfarm.adapters.lanes import LaneRunner
from buildfarm.adapters.memory import MemoryStore
from buildfarm.adapters.memory_runner import MemoryRunner
from buildfarm.model.errors import FarmError
from buildfarm.model.job import Environment
from buildfarm.model.session import Command, Purpose, SessionSpec
from buildfarm.model.target import Target


class Named(MemoryRunner):
    """Its commands print the name; it has one attempt to sweep."""

    def __init__(self, name: str) -> None:
        super().__init__(MemoryStore(), lambda _command, _files: (0, name.encode()))
        self.name = name

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        return (f"{self.name} without {', '.join(live)}",)


def spec(lane: str) -> SessionSpec:
    target = Target.parse("cp311-manylinux_2_17_x86_64")
    environment = Environment(name="", lane=lane, target=target, definition={}, test_definition={})
    return SessionSpec(attempt="a", owner="o", purpose=Purpose.BUILD, environment=environment)


RUNNER = LaneRunner({"host": Named("on the host"), "container": Named("in a container")})


@pytest.mark.parametrize(("lane", "expected"), [("host", b"on the host"), ("container", b"in a container")])
def test_each_lane_has_its_runner(lane: str, expected: bytes) -> None:
    said: list[bytes] = []
    with RUNNER.open(spec(lane), said.append, lambda: False) as session:
        session.run(Command(argv=("name",), cwd=session.layout.root, what="say"))
    assert said == [expected]


def test_a_lane_that_is_not_served_is_said() -> None:
    with (
        pytest.raises(FarmError, match="serves container, host, and no windows"),
        RUNNER.open(spec("windows"), lambda _: None, lambda: False),
    ):
        pass


def test_all_are_swept() -> None:
    assert RUNNER.sweep(frozenset({"me"})) == ("on the host without me", "in a container without me")

"""Reasons that the story in memory really causes, where no process is needed for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from buildfarm.farm.prepare import _for_an_extra
from buildfarm.model.errors import FarmError
from buildfarm.model.recipe import Recipe, SdistSource, Service, Test
from buildfarm.model.session import Command
from tests.unit.farm.test_memory_story import DEMO, Farm, Machine, environment, sdist, wheel


def left_out(farm: Farm, recipe: Recipe) -> str:
    """The code of the reason for which nothing of the recipe is built; the plan says it too."""
    ticked = farm.build(recipe)
    found: Any = (farm.coordinator.requests.resolution(1) or {})[recipe.name]
    reason = next(iter(found.values())) if isinstance(found, Mapping) else found
    assert reason.message in ticked.plan.left_out[0].reason
    return str(reason.code)


def test_a_name_that_upstream_does_not_know() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    assert left_out(farm, replace(DEMO, name="nobody")) == "unknown-project"


def test_a_version_that_upstream_does_not_have() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    assert left_out(farm, replace(DEMO, versions=("9.0",))) == "unknown-version"


def test_a_hash_that_is_not_the_sources() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    wrong = SdistSource(hashes={"1.0": f"sha256:{hashlib.sha256(b'').hexdigest()}"})
    assert left_out(farm, replace(DEMO, source=wrong)) == "hash"


def test_a_pyproject_that_makes_no_sense() -> None:
    senseless = sdist("demo", "1.0", requires=(5,))  # type: ignore[arg-type]  # that is what makes none
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), sdists={"demo-1.0.tar.gz": senseless})
    assert left_out(farm, DEMO) == "source"


def test_a_hook_that_ends_well_and_answers_nothing() -> None:
    class Silent(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            return 0, b""

    farm = Farm(Silent(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    assert farm.failure().reason.code == "no-answer"


def test_a_test_session_with_a_compiler() -> None:
    class Equipped(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            done = super().__call__(command, files)
            if answer := files.get("/buildfarm/work/imports.json"):
                told = {**json.loads(answer), "compilers": ["/usr/bin/cc"]}
                files["/buildfarm/work/imports.json"] = json.dumps(told).encode()
            return done

    farm = Farm(Equipped(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    assert farm.failure().reason.code == "compiler"


@pytest.mark.parametrize(
    "error", [ValueError("no such thing"), StopIteration(), FarmError("no tool"), OSError(28, "full")]
)
def test_a_fault_of_ours_is_lost_and_in_the_end_infra(error: Exception) -> None:
    """Whatever an attempt raises: the worker lives on, the job is tried again, and the log has the traceback."""

    class Faulty(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            raise error

    farm = Farm(Faulty(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    failed = farm.failure()
    assert (failed.step, failed.reason.code) == ("prepare", "infra")
    assert str(error) in failed.reason.message
    (row,) = farm.coordinator.jobs.rows()
    assert row.attempts == 3
    log = farm.log.read(row.log).decode()
    assert "== lost: " in log
    assert ("Traceback" in log) is not isinstance(error, FarmError | OSError)


def test_a_marker_that_cannot_be_evaluated_is_left_to_the_resolver() -> None:
    target = environment("cp311").target
    assert not _for_an_extra('nowhere; python_version ~= "x" and extra == "a"', target)
    assert _for_an_extra('nowhere; extra == "a"', target)


def test_what_a_build_swallowed_is_quoted_when_its_wheel_fails() -> None:
    class Swallowing(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            code, output = super().__call__(command, files)
            said = b"x.c:1:10: fatal error: 'yaml.h' file not found\n    1 | #include <yaml.h>\nbuilt anyway\n"
            return code, said if command.what == "build the wheel" else output

    farm = Farm(
        Swallowing(lambda _: wheel("demo", "1.0")), sdists={"demo-1.0.tar.gz": sdist("demo", "1.0", file="x.c")}
    )
    farm.build(DEMO)
    failed = farm.failure()
    assert (failed.step, failed.reason.code) == ("verify", "lost-extensions")
    assert failed.reason.lines[0] == "x.c:1:10: fatal error: 'yaml.h' file not found"
    assert "system: {apt: [libyaml-dev]}" in failed.reason.advice


@pytest.mark.parametrize(
    ("test", "code"),
    [
        (Test(run=("python -m unittest",), sources=("x.py",)), "no-tests"),
        (Test(run=("python -m unittest",), sources=("tests",)), "no-sources"),
        (Test(run=("python -m unittest",), sources=("x.py",), folder="tests"), "no-sources"),
    ],
)
def test_a_test_that_proves_nothing_is_no_test(test: Test, code: str) -> None:
    class Empty(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            code, output = super().__call__(command, files)
            return code, output + (b"Ran 0 tests in 0.000s\n\nOK\n" if "unittest" in command.what else b"")

    farm = Farm(Empty(lambda _: wheel("demo", "1.0")))
    ticked = farm.build(replace(DEMO, tests=(test,)))
    assert (farm.failure().step, farm.failure().reason.code) == ("test", code)
    assert ticked.judgements[0].withheld
    assert not farm.page()


def test_a_wheel_that_cannot_be_taken_by_its_name_is_none() -> None:
    class Planting(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            code, output = super().__call__(command, files)
            if body := files.pop("/buildfarm/dist/demo-1.0-py3-none-any.whl", None):
                files["/buildfarm/dist/[demo]-1.0-py3-none-any.whl"] = body
            return code, output

    farm = Farm(Planting(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    assert (farm.failure().step, farm.failure().reason.code) == ("repair", "not-one-wheel")


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_test_whose_server_ended_has_not_failed_by_itself(exit_code: int) -> None:
    class Deadly(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            if "unittest" not in command.what:
                return super().__call__(command, files)
            files["/buildfarm/services/db"] = b"starting\nno space left\n"
            return exit_code, b"ConnectionRefusedError: [Errno 111]\nRan 0 tests in 0.000s\n\nOK\n"

    farm = Farm(Deadly(lambda _: wheel("demo", "1.0")))
    test = Test(run=("python -m unittest",), sources=("x.py",), services={"db": Service(image="mariadb")})
    ticked = farm.build(replace(DEMO, tests=(test,)))
    failed = farm.failure()
    assert (failed.step, failed.reason.code) == ("test", "service")
    assert failed.reason.message == "while the tests ran, the service db ended"
    assert (failed.reason.lines, failed.reason.tail) == ((), ("starting", "no space left"))
    (row,) = (each for each in farm.coordinator.jobs.rows() if each.job.kind == "test")
    assert "== the service db ended; its log ends:\nstarting\nno space left\n" in farm.log.read(row.log).decode()
    assert ticked.judgements[0].withheld


def test_a_test_that_fails_beside_a_server_that_runs_is_the_tests_own() -> None:
    class Failing(Machine):
        def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
            return (1, b"no\n") if "unittest" in command.what else super().__call__(command, files)

    farm = Farm(Failing(lambda _: wheel("demo", "1.0")))
    test = Test(run=("python -m unittest",), sources=("x.py",), services={"db": Service(image="mariadb")})
    farm.build(replace(DEMO, tests=(test,)))
    reason = farm.failure().reason
    assert (reason.code, reason.lines) == ("exit-code", ())
    (row,) = (each for each in farm.coordinator.jobs.rows() if each.job.kind == "test")
    assert "== the service db still runs; its log ends:\n" in farm.log.read(row.log).decode()

"""From a failure to its cause and back: debug, reproduce, and what the same build redoes after a fix."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

SETUP = 'setup(ext_modules=[Extension("tinyc._answer", ["tinyc/_answer.c"])])'
MISSING = {"tinyc/_answer.c": ("#include <Python.h>", "#include <Python.h>\n#include <ffi.h>")}
SWALLOWED = {**MISSING, "setup.py": ('.c"])', '.c"], optional=True)')}
WRONG = ("tests:", "  - run: [\"python -c 'import tinypure; assert tinypure.ANSWER == 7, tinypure.ANSWER'\"]")
RIGHT = ("tests:", "  - run: [\"python -c 'import tinypure; assert tinypure.ANSWER == 42'\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    farm: Farm
    done: Done

    def key(self, name: str, kind: str = "build") -> str:
        return str(self.done.job(name, kind)["key"])


@pytest.fixture(scope="module")
def failed(farm: Farm) -> Failed:
    recipes = (
        farm.project("tinyc", "headerless", MISSING),
        farm.project("tinyc", "swallowing", SWALLOWED),
        farm.project("tinypure", "wronglytested", recipe=WRONG),
        farm.project("tinypure", "unprepared", {"pyproject.toml": ("requires = []", 'requires = ["no-such-thing-x"]')}),
        farm.project("tinypure", "good"),
    )
    return Failed(farm=farm, done=farm.build(*recipes))


@pytest.mark.parametrize("name", ["headerless", "swallowing"])
def test_a_missing_header_is_quoted_with_what_brings_it(failed: Failed, name: str) -> None:
    """Also where the build went on without the extension, and only its wheel failed."""
    job = failed.done.job(name)
    assert "fatal error: 'ffi.h' file not found" in job["lines"][0]
    assert "`system: {apt: [libffi-dev]}`" in job["advice"]
    told = failed.done.err[failed.done.err.index(f"\n{name} 1.0 ") :].partition("\n\n")[0]
    for words in ("'ffi.h' file not found", "[libffi-dev]", "log: ", "buildfarm reproduce ", "buildfarm debug "):
        assert words in told


@pytest.mark.parametrize(
    ("name", "kind", "here"),
    [
        ("headerless", "build", "/source"),
        ("swallowing", "build", "/work"),
        ("wronglytested", "test", "/work/tests"),
    ],
)
def test_a_line_is_run_where_the_attempt_ended(failed: Failed, name: str, kind: str, here: str) -> None:
    done = failed.farm.run(
        "debug", failed.key(name, kind), "--command", "pwd; ls ../venv >/dev/null || ls ../../venv; exit 5"
    )
    assert done.code == 5, done.err
    assert done.out.splitlines()[0].endswith(here)
    assert "The last command, in " in done.err
    assert not list((failed.farm.home / "sessions").iterdir())


def test_a_failure_is_reproduced(failed: Failed) -> None:
    before = failed.farm.run("status", "--json").json
    done = failed.farm.run("reproduce", "headerless", "--json")
    assert done.code == 0, done.err
    assert (done.json["same"], done.json["code"]) == (True, "exit-code")
    assert "'ffi.h' file not found" in done.json["lines"][0]
    assert failed.farm.run("status", "--json").json == before


def test_a_wheel_is_reproduced_byte_for_byte(failed: Failed) -> None:
    job: dict[str, Any] = failed.done.job("good")
    done = failed.farm.run("reproduce", job["key"])
    assert done.code == 0, done.err
    assert done.out.startswith(f"the same bytes: {job['wheel']['filename']}")


def test_a_test_is_reproduced(failed: Failed) -> None:
    done = failed.farm.run("reproduce", failed.key("wronglytested", "test"))
    assert done.code == 0, done.err
    assert "AssertionError: 42" in done.err


def test_what_was_never_run_says_so_and_what_to_do(failed: Failed) -> None:
    for command in ("debug", "reproduce"):
        done = failed.farm.run(command, "unprepared")
        assert done.code == 2
        assert "nothing was run, for it could not be prepared" in done.err
        assert "help: build what is missing first" in done.err


def test_a_name_that_means_nothing_or_several_jobs(failed: Failed) -> None:
    assert "no job of 'nobody' is known" in failed.farm.run("debug", "nobody").err
    assert "'good' is several jobs" in failed.farm.run("reproduce", "good").err


def test_a_fix_redoes_what_it_changes_and_nothing_else(failed: Failed) -> None:
    farm = failed.farm
    recipes = (
        farm.project("tinypure", "wronglytested", recipe=RIGHT),
        farm.project("tinyc", "headerless"),
        farm.folder / "good.yaml",
    )
    done = farm.build(*recipes)
    assert done.code == 0, done.err
    redone = {(job["name"], job["kind"]) for job in json.loads(done.out)["jobs"] if not job["cached"]}
    assert redone == {("wronglytested", "test"), ("headerless", "build"), ("headerless", "test")}

"""From the command line into containers: what the plan says, what is built there, and what becomes of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

LINKED = {
    "tinyc/_answer.c": ("#include <Python.h>", "#include <Python.h>\n#include <yaml.h>"),
    "setup.py": ('["tinyc/_answer.c"]', '["tinyc/_answer.c"], libraries=["yaml"]'),
}
SYSTEM = ("system: {apt: [libyaml-dev]}",)


@pytest.fixture(scope="module")
def contained(container_farm: Farm, image: Callable[[str], str]) -> Farm:
    """A farm that has debian11, and what it is tested in."""
    image("debian11")
    image("debian11-test")
    return container_farm


@pytest.fixture(scope="module")
def both(contained: Farm) -> tuple[Path, Path]:
    """A project with C alone, and one with a system library that this machine's own release would lower."""
    return contained.project("tinyc", "plainc"), contained.project("tinyc", "linkedc", LINKED, SYSTEM)


@pytest.fixture(scope="module")
def built(contained: Farm, both: tuple[Path, Path]) -> Done:
    return contained.build(*both, targets="cp313t-*")


def test_the_plan_says_where_and_why_at_that_floor(contained: Farm, both: tuple[Path, Path]) -> None:
    jobs = {each["name"]: each for each in contained.run("plan", *both, "--targets", "cp313t-*", "--json").json["jobs"]}
    assert {each["environment"] for each in jobs.values()} == {"debian11"}
    assert {each["lane"] for each in jobs.values()} == {"linux-x86_64-container"}
    assert jobs["plainc"]["floor"] == "manylinux_2_17_x86_64: zig in debian11"
    said = "manylinux_2_31_x86_64: system packages of debian11 (glibc 2.31); an older image would lower it"
    assert jobs["linkedc"]["floor"] == said
    held = contained.run("plan", *both, "--targets", "cp313t-*", "--json", env={"BUILDFARM_GLIBC": "2.17"}).json
    assert [each["name"] for each in held["jobs"]] == ["plainc"]
    assert "debian11 are for glibc 2.31; this site's floor is glibc 2.17" in held["left_out"][0]["reason"]


def test_a_free_threaded_wheel_is_built_and_tested_without_an_interpreter_of_this_machine(built: Done) -> None:
    assert built.code == 0, built.err
    for name, floor in (("plainc", "manylinux_2_17_x86_64"), ("linkedc", "manylinux_2_31_x86_64")):
        job = built.job(name)
        assert f"cp313-cp313t-{floor}" in job["wheel"]["tags"]
        assert job["isolation"].startswith("container (no network)")
        assert built.job(name, "test")["outcome"] == "succeeded"


def test_again_there_is_nothing_to_do_and_without_an_engine_nobody_takes_its_jobs(
    contained: Farm, both: tuple[Path, Path], built: Done
) -> None:
    again = contained.build(*both, targets="cp313t-*")
    assert all(each["cached"] for each in again.json["jobs"])
    assert [each["key"] for each in again.json["jobs"]] == [each["key"] for each in built.json["jobs"]]
    off = contained.run("plan", *both, "--targets", "cp313t-*", "--json", env={"BUILDFARM_ENGINE": "none"}).json
    assert off["jobs"] == []
    assert "no container engine is used here (setting engine)" in off["left_out"][0]["reason"]


def test_a_job_is_reproduced_and_looked_into_in_its_image(contained: Farm, built: Done) -> None:
    key = built.job("linkedc")["key"]
    same = contained.run("reproduce", key, "--json").json
    assert same["same"] is True
    inside = contained.run("debug", key, "--command", "cat /etc/debian_version; id -u; cc --version | head -1")
    version, user, compiler = inside.out.splitlines()
    assert (version.partition(".")[0], user) == ("11", "1000")
    assert "Debian" in compiler

from __future__ import annotations

from dataclasses import replace

import pytest

from buildfarm.model.facts import Facts, KnownSource
from buildfarm.model.job import BuildJob, BuildRequest, Environment, SourcePin
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Override, Recipe, System
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.expand import expand
from buildfarm.plan.ground import ground, installed, raised

HOST = Environment(
    name="host",
    lane="host",
    target=Target.parse("cp311-manylinux_2_17_x86_64"),
    definition={"kit": "1"},
    test_definition={},
    system=("apt",),
    release="debian 12",
)
FREE = Facts(floors=((2, 17), (2, 28), (2, 34), (2, 35)))


def package(name: str, floor: tuple[int, int] = (0, 0)) -> SystemPackage:
    return SystemPackage(
        manager="apt",
        name=name,
        version="1.0-1",
        architecture="amd64",
        source=name,
        artifact=Artifact(name=f"{name}.deb", size=1, sha256=name),
        origin=f"/{name}.deb",
        floor=floor,
    )


def test_the_neediest_library_raises_the_floor_to_the_next_policy() -> None:
    raised = ground(HOST, (package("liba", (2, 14)), package("libb", (2, 33)), package("libb-dev")), FREE)
    assert str(raised.target) == "cp311-manylinux_2_34_x86_64"
    assert raised.fingerprint == HOST.fingerprint


def test_a_raised_floor_is_said_with_the_library_that_raised_it() -> None:
    def job(*packages: SystemPackage) -> BuildJob:
        pin = SourcePin(artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="0" * 64), origin="/demo", epoch=0)
        there = ground(HOST, packages, FREE)
        return BuildJob(
            project="demo", version="1.0", target=there.target, source=pin, environment=there, packages=packages
        )

    assert raised(job(package("liba", (2, 14)), package("libb", (2, 33))), [HOST]) == (
        "manylinux_2_34_x86_64: libb needs glibc 2.33"
    )
    assert raised(job(package("liba", (2, 14))), [HOST]) == ""
    assert raised(job(), [HOST]) == ""


def test_what_runs_on_the_floor_leaves_it() -> None:
    assert ground(HOST, (package("libyaml-0-2", (2, 14)),), FREE) is HOST
    assert ground(HOST, (), FREE) is HOST


def test_a_floor_that_the_site_names_stays_and_the_reason_says_what_would_help() -> None:
    refused = ground(HOST, (package("libssl3", (2, 34)),), Facts())
    assert refused.target == HOST.target
    assert refused.lacks == (
        "libssl3 1.0-1 needs glibc 2.34; this site's floor is 2.17 (setting glibc). "
        'Set glibc: "2.34" or leave it unset, or build in a container whose packages are that old'
    )


def test_packages_that_cannot_be_had_are_a_reason() -> None:
    reason = Reason(code="packages", message="apt says: no", advice="did you mean libyaml-dev?")
    assert ground(HOST, reason, FREE).lacks == "apt says: no. Did you mean libyaml-dev?"


@pytest.mark.parametrize("select", ["*manylinux_2_17_x86_64", "cp311-*"])
def test_an_override_that_raises_the_floor_still_holds_there(select: str) -> None:
    override = Override(select=select, system=System(apt=("libb-dev",)))
    recipe = Recipe(name="demo", versions=("1",), overrides=(override,))
    pin = SourcePin(artifact=Artifact(name="demo-1.tar.gz", size=1, sha256="a"), origin="/demo", epoch=0)
    packages = (package("libb", (2, 33)), package("libb-dev"))
    facts = replace(
        FREE,
        environments=(HOST,),
        versions={"demo": ("1",)},
        sources={("demo", "1"): KnownSource(pin=pin)},
        packages={("libb-dev",): packages},
    )
    (job,) = expand(BuildRequest(recipes=(recipe,)), facts).jobs
    assert isinstance(job, BuildJob)
    assert (str(job.target), job.packages) == ("cp311-manylinux_2_34_x86_64", packages)
    assert job.part.system.apt == ("libb-dev",)


def test_only_an_environment_with_apt_has_apts_packages() -> None:
    known = Facts(packages={("libyaml-dev",): (package("libyaml-dev"),)})
    system = System(apt=("libyaml-dev",), dnf=("libyaml-devel",))
    assert installed(system, HOST, known) == (package("libyaml-dev"),)
    other = Environment(name="musl", lane="", target=HOST.target, definition={}, test_definition={})
    assert installed(system, other, known) == ()

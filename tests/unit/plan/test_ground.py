from __future__ import annotations

from buildfarm.model.facts import Facts
from buildfarm.model.job import Environment
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import System
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.ground import ground, installed

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


def test_only_an_environment_with_apt_has_apts_packages() -> None:
    known = Facts(packages={("libyaml-dev",): (package("libyaml-dev"),)})
    system = System(apt=("libyaml-dev",), dnf=("libyaml-devel",))
    assert installed(system, HOST, known) == (package("libyaml-dev"),)
    other = Environment(name="musl", lane="", target=HOST.target, definition={}, test_definition={})
    assert installed(system, other, known) == ()

"""Which environment makes the wheel of a target, at which floor: hosts and images side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildfarm.adapters.container.environments import container_environments
from buildfarm.model.facts import Facts, KnownSource, KnownWheel
from buildfarm.model.image import Image, Making, Server
from buildfarm.model.job import BuildJob, BuildRequest, Environment, SourcePin
from buildfarm.model.plan import Plan
from buildfarm.model.recipe import Build, Override, Recipe, Service, System, Targets, Test
from buildfarm.model.services import variables
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import FLOORS, Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.expand import expand
from buildfarm.plan.ground import raised, reached

DEBIAN = Image(
    name="debian11",
    making=Making(base="bullseye"),
    platform="manylinux_2_31_x86_64",
    interpreters={"cp311": "/opt/python/cp311-cp311/bin/python3"},
    manager="apt",
    test="debian11-test",
)
CENTOS = replace(DEBIAN, name="old", platform="manylinux_2_17_x86_64", manager="dnf")
MUSL = replace(DEBIAN, name="alpine", platform="musllinux_1_2_x86_64", manager="apk", compilers=("system",))
ARM = replace(DEBIAN, name="arm", platform="manylinux_2_31_aarch64")
TEST = Image(
    name="debian11-test",
    making=Making(base="bullseye", interpreters_of="debian11"),
    interpreters=DEBIAN.interpreters,
)
MARIADB = Image(name="mariadb", making=Making(base="bullseye"), server=Server(port=3306, start="", ready=""))
REDIS = replace(MARIADB, name="redis")
IMAGES = {each.name: each for each in (DEBIAN, CENTOS, MUSL, ARM, TEST, MARIADB, REDIS)}
HOST = Environment(
    name="host",
    lane="linux-x86_64-host",
    target=Target.parse("cp311-manylinux_2_17_x86_64"),
    definition={"kit": "1"},
    test_definition={"kit": "1"},
    compilers=("zig",),
    system=("apt",),
    release="debian 12",
)
NEW_HOST = replace(HOST, target=Target.parse("cp312-manylinux_2_17_x86_64"), definition={"kit": "2"})


PIN = SourcePin(artifact=Artifact(name="demo-1.tar.gz", size=1, sha256="5" * 64), origin="/demo", epoch=1)


def images(*present: str, **more: object) -> tuple[Environment, ...]:
    return container_environments(IMAGES, present, arch="x86_64", **more)  # type: ignore[arg-type]


def library(floor: tuple[int, int]) -> SystemPackage:
    return SystemPackage(
        manager="apt",
        name="libz",
        version="1",
        architecture="amd64",
        source="libz",
        artifact=Artifact(name="libz.deb", size=1, sha256="d" * 64),
        origin="/libz.deb",
        floor=floor,
    )


def plan(recipe: Recipe, *environments: Environment, targets: tuple[str, ...] = ("*",), **facts: object) -> Plan:
    known = Facts(
        environments=environments,
        versions={"demo": ("1",)},
        sources={("demo", "1"): KnownSource(pin=PIN)},
        floors=FLOORS,
        servers=variables(IMAGES),
    )
    request = BuildRequest(recipes=(recipe,), targets=targets)
    return expand(request, replace(known, **facts))  # type: ignore[arg-type]


def built(found: Plan) -> list[str]:
    return [f"{job.target} in {job.environment.name}" for job in found.jobs]


DEMO = Recipe(name="demo", versions=("1",))
LINKED = replace(DEMO, system=System(apt=("libz-dev",)))
SERVED = replace(DEMO, tests=(Test(run=("pytest",), services={"db": Service(image="mariadb")}),))
BOTH = ("debian11", "debian11-test")


def test_of_equal_floors_a_container_wins_and_zig_keeps_the_floor_low() -> None:
    found = plan(DEMO, HOST, NEW_HOST, *images(*BOTH))
    assert built(found) == ["cp311-manylinux_2_17_x86_64 in debian11"]
    assert [str(each.target) for each in found.later] == ["cp311-manylinux_2_17_x86_64", "cp312-manylinux_2_17_x86_64"]
    (job,) = found.jobs
    assert isinstance(job, BuildJob)
    assert reached(job, images(*BOTH)) == "manylinux_2_17_x86_64: zig in debian11"
    assert raised(job, images(*BOTH)) == ""


def test_system_packages_take_the_floor_of_the_image_and_the_plan_says_so() -> None:
    (job,) = plan(LINKED, *images(*BOTH)).jobs
    assert isinstance(job, BuildJob)
    assert (str(job.target), job.packages) == ("cp311-manylinux_2_31_x86_64", ())
    expected = (
        "manylinux_2_31_x86_64: system packages of debian11 (glibc 2.31); an older image would lower it",
        "manylinux_2_31_x86_64: the compiler of debian11 (glibc 2.31); compiler: zig would lower it",
    )
    assert raised(job, images(*BOTH)) == expected[0]
    (job,) = plan(replace(DEMO, build=Build(compiler="system")), HOST, *images(*BOTH)).jobs
    assert isinstance(job, BuildJob)
    assert reached(job, images(*BOTH)) == expected[1]


@pytest.mark.parametrize(
    ("floor", "expected"),
    [
        ((2, 14), "cp311-manylinux_2_17_x86_64 in host"),
        ((2, 31), "cp311-manylinux_2_31_x86_64 in debian11"),
        ((2, 34), "cp311-manylinux_2_31_x86_64 in debian11"),
    ],
)
def test_what_a_machine_has_more_never_makes_a_wheel_less_portable(floor: tuple[int, int], expected: str) -> None:
    packages = {("libz-dev",): (library(floor),)}
    assert built(plan(LINKED, HOST, *images(*BOTH), packages=packages)) == [expected]


def test_an_image_of_another_manager_serves_where_the_recipe_names_packages_for_it() -> None:
    recipe = replace(DEMO, system=System(apt=("libz-dev",), dnf=("libz-devel",)))
    packages = {("libz-dev",): (library((2, 34)),)}
    found = plan(recipe, HOST, *images(*BOTH, "old"), packages=packages)
    assert built(found) == ["cp311-manylinux_2_17_x86_64 in old"]


def test_above_the_floor_of_the_site_nothing_is_built_and_every_reason_is_given() -> None:
    found = plan(LINKED, HOST, *images(*BOTH), floors=(), packages={("libz-dev",): (library((2, 34)),)})
    assert found.jobs == ()
    (out,) = found.left_out
    assert "libz 1 needs glibc 2.34; this site's floor is 2.17 (setting glibc)" in out.reason
    assert "libraries and compiler of debian11 are for glibc 2.31; this site's floor is glibc 2.17" in out.reason


def test_an_image_that_has_no_zig_is_no_candidate_below_its_own_floor() -> None:
    plain = {**IMAGES, "debian11": replace(DEBIAN, compilers=("system",))}
    offered = container_environments(plain, BOTH, arch="x86_64", ceiling=(2, 17))
    found = plan(DEMO, *offered, floors=())
    assert found.jobs == ()
    assert "debian11 makes wheels for glibc 2.31; this site's floor is 2.17" in found.left_out[0].reason


def test_services_decide_where_a_recipe_is_built() -> None:
    assert built(plan(SERVED, HOST, *images(*BOTH, "mariadb"))) == ["cp311-manylinux_2_17_x86_64 in debian11"]
    served = replace(HOST, services={"mariadb": "a" * 64})
    assert built(plan(SERVED, served, *images(*BOTH))) == ["cp311-manylinux_2_17_x86_64 in host"]
    (out,) = plan(SERVED, HOST, *images(*BOTH)).left_out
    assert "host does not have: it takes its programs, or a container engine and" in out.reason
    assert "debian11 does not have: `buildfarm image build mariadb` makes it" in out.reason


def test_an_image_that_is_not_here_is_named_only_where_it_is_missed() -> None:
    assert plan(DEMO, HOST, *images()).left_out == ()
    assert plan(DEMO, NEW_HOST, *images()).left_out == ()
    (out,) = plan(LINKED, *images()).left_out
    assert out.target == "*"
    assert "the image debian11 is not here: `buildfarm image build debian11`" in out.reason
    assert plan(DEMO, NEW_HOST, *images(), targets=("cp31?-*",)).left_out == ()
    (out,) = plan(DEMO, NEW_HOST, *images(), targets=("cp312-*", "cp311-manylinux*")).left_out
    assert (out.target, "`buildfarm image build debian11-test`" in out.reason) == ("cp311-manylinux*", True)
    (out,) = plan(replace(DEMO, targets=Targets(platforms=("many*", "musl*"))), HOST, *images()).left_out
    assert (out.target, "the image alpine is not here" in out.reason) == ("*-musl*", True)
    wanting = replace(HOST, system=())
    (out,) = plan(LINKED, wanting, *images("debian11")).left_out
    assert out.reason.startswith("needs system packages (apt); host can install none")
    assert out.reason.count("buildfarm image build") == 1, "of debian11-test: the packages of old would not help"


def test_an_image_without_a_digest_is_named_only_to_those_who_ask_for_it() -> None:
    unpinned = replace(DEBIAN, name="pypa", making=None, tag="quay.io/pypa:latest")
    musl = replace(
        unpinned, name="musl", platform="musllinux_1_2_x86_64", interpreters={**DEBIAN.interpreters, "cp39": ""}
    )
    described = {**IMAGES, "pypa": unpinned, "musl": musl}
    offered = container_environments(described, (), arch="x86_64")
    wanting = replace(HOST, system=())
    (out,) = plan(LINKED, wanting, *offered).left_out
    assert ("buildfarm image build debian11" in out.reason, "pypa" in out.reason) == (True, False)
    source = KnownSource(pin=PIN, requires_python=">=3.10")
    assert plan(DEMO, HOST, *offered, sources={("demo", "1"): source}).left_out == (), "cp39 is only in the image"
    (out,) = plan(DEMO, HOST, *offered, targets=("cp39-*",)).left_out
    assert out.reason == (
        "the image musl is not here: `buildfarm image pin musl`; "
        "the image debian11-test is not here: `buildfarm image build debian11-test`"
    )
    (out,) = plan(LINKED, *container_environments({"pypa": unpinned}, (), arch="x86_64")).left_out
    assert "`buildfarm image pin pypa`" in out.reason


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (Service(image="maria"), "wants the image 'maria', which is none that serves. Those that serve are: "),
        (Service(image="mariadb", env={"PORT": "1"}), "sets PORT, which its image mariadb does not take"),
    ],
)
def test_a_service_that_is_declared_wrongly_is_told_before_anything_is_made(service: Service, reason: str) -> None:
    recipe = replace(DEMO, tests=(Test(run=("pytest",), services={"db": service}),))
    for environments in ((HOST, *images(*BOTH, "mariadb")), (HOST, *images())):
        found = plan(recipe, *environments)
        assert found.jobs == ()
        (out,) = found.left_out
        assert out.reason.startswith("the service db ")
        assert reason in out.reason
        assert "is not here" not in out.reason
    skipping = replace(recipe, overrides=(Override(select="*", skip="no server"),))
    assert built(plan(skipping, HOST)) == ["cp311-manylinux_2_17_x86_64 in host"]


def test_another_server_tests_again_what_names_it_and_nothing_else() -> None:
    def tests(recipe: Recipe, described: dict[str, Image]) -> set[str]:
        offered = container_environments(described, (*BOTH, "mariadb", "redis"), arch="x86_64")
        (build,) = plan(recipe, *offered).jobs
        name = "demo-1-cp311-cp311-manylinux_2_17_x86_64.whl"
        wheel = KnownWheel(artifact=Artifact(name=name, size=1, sha256="7" * 64), content="", extensions=1)
        _, test = plan(recipe, *offered, wheels={build.key: wheel}).jobs
        return {build.key, test.key}

    assert MARIADB.server
    strict = replace(MARIADB, server=replace(MARIADB.server, start="--strict"))
    patched = replace(MARIADB, making=Making(base="bullseye", packages=("mariadb-server",)))
    for other in ({"mariadb": strict}, {"mariadb": patched}):
        assert len(tests(SERVED, IMAGES) | tests(SERVED, {**IMAGES, **other})) == 3, "the build is the same"
        assert tests(DEMO, IMAGES) == tests(DEMO, {**IMAGES, **other})
    assert tests(SERVED, IMAGES) == tests(SERVED, {**IMAGES, "redis": replace(REDIS, making=patched.making)})


def test_what_the_recipe_rules_out_itself_needs_no_word_unless_nothing_is_left() -> None:
    only = replace(DEMO, targets=Targets(python="==3.12.*"))
    found = plan(only, HOST, NEW_HOST, *images(*BOTH))
    assert (built(found), found.left_out) == (["cp312-manylinux_2_17_x86_64 in host"], ())
    (out,) = plan(only, HOST, *images(*BOTH)).left_out
    assert out.target == "*"
    assert out.reason.startswith("the recipe wants only Python ==3.12.*; here are cp311 for manylinux_2_17_x86_64")
    both = replace(DEMO, targets=Targets(python="==3.12.*", platforms=("manylinux_*", "musllinux_*")))
    (out,) = plan(both, HOST, *images(*BOTH, "alpine")).left_out
    assert out.reason.startswith("the recipe wants only Python ==3.12.* for manylinux_*, musllinux_*; here are cp311")


def test_zig_cannot_use_the_libraries_of_an_image_and_rust_has_no_crates_there() -> None:
    (out,) = plan(replace(LINKED, build=Build(compiler="zig")), *images(*BOTH)).left_out
    assert out.reason.startswith("wants compiler: zig, and the libraries of debian11 need the compiler that is there")
    (out,) = plan(replace(DEMO, system=System(apt=("cargo",))), *images(*BOTH)).left_out
    assert out.reason.startswith("needs crates of Rust, which nothing brings into debian11")


def test_musl_is_a_target_of_its_own_beside_glibc() -> None:
    found = plan(DEMO, HOST, *images(*BOTH, "alpine"))
    assert built(found) == ["cp311-manylinux_2_17_x86_64 in debian11", "cp311-musllinux_1_2_x86_64 in alpine"]


def test_the_target_that_was_asked_for_chooses_among_the_environments_that_make_it() -> None:
    recipe = replace(LINKED, targets=Targets(platforms=("manylinux_2_31_*",)))
    found = plan(recipe, HOST, *images(*BOTH), packages={("libz-dev",): (library((2, 14)),)})
    assert built(found) == ["cp311-manylinux_2_31_x86_64 in debian11"]


def test_an_image_whose_wheels_cannot_be_tested_is_none_unless_the_recipe_skips_tests() -> None:
    plain = {"debian11": replace(DEBIAN, test="")}
    offered = container_environments(plain, ("debian11",), arch="x86_64")
    (out,) = plan(DEMO, *offered).left_out
    assert out.reason.startswith("images/debian11.yaml names no image to test in (test: NAME)")
    skipping = replace(DEMO, overrides=(Override(select="*", skip="no image"),))
    assert built(plan(skipping, *offered)) == ["cp311-manylinux_2_17_x86_64 in debian11"]
    bare = {**IMAGES, "debian11-test": replace(TEST, interpreters={})}
    (out,) = plan(DEMO, *container_environments(bare, BOTH, arch="x86_64")).left_out
    assert "debian11-test has no interpreter for cp311" in out.reason


def test_an_override_is_selected_by_the_target_as_it_is_offered() -> None:
    override = Override(select="*-manylinux_2_17_*", system=System(apt=("libz-dev",)), written=("system.apt",))
    found = plan(replace(DEMO, overrides=(override,)), *images(*BOTH))
    assert built(found) == ["cp311-manylinux_2_31_x86_64 in debian11"]


def test_images_of_other_machines_offer_nothing() -> None:
    assert {each.name for each in images()} == {"debian11", "old", "alpine"}
    assert [each.name for each in container_environments(IMAGES, BOTH, arch="aarch64")] == ["arm"]


def test_what_an_image_is_made_of_is_in_both_definitions_and_in_those_of_what_is_made_of_it() -> None:
    (before,) = [each for each in images(*BOTH) if each.name == "debian11"]
    other = {**IMAGES, "debian11": replace(DEBIAN, making=Making(base="bullseye", packages=("xz-utils",)))}
    (after,) = [each for each in container_environments(other, BOTH, arch="x86_64") if each.name == "debian11"]
    assert before.fingerprint != after.fingerprint
    assert before.test_fingerprint != after.test_fingerprint, "its interpreters are copied from there"

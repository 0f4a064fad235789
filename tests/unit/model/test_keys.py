"""Keys are a promise to every ledger there is: what changes one, what does not, and that none changes by accident."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.adapters.container.environments import container_environments
from buildfarm.model.canonical import digest
from buildfarm.model.image import Cpython, Image, Making
from buildfarm.model.job import (
    KEY_VERSION,
    BuildJob,
    BuildPart,
    BuildRequest,
    Environment,
    Lock,
    LockedWheel,
    SourcePin,
    TestJob,
)
from buildfarm.model.recipe import (
    AUTO_IMPORTS,
    Build,
    Include,
    Limits,
    Patch,
    Recipe,
    Repair,
    Requires,
    Service,
    System,
    Test,
    Verify,
)
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact

GOLDEN = Path(__file__).parents[2] / "golden" / "keys" / "keys.json"

SOURCE = SourcePin(
    artifact=Artifact(name="demo-1.0.tar.gz", size=10, sha256="5" * 64), origin="/demo", epoch=1_600_000_000
)
WHEEL = Artifact(name="demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", size=20, sha256="7" * 64)
TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
ENVIRONMENT = Environment(
    name="host",
    lane="linux-x86_64-host",
    target=TARGET,
    definition={"os": "linux", "python": "3.11.7", "headers": "3.11.7"},
    test_definition={"os": "linux", "python": "3.11.7"},
)
BUILD = BuildJob(project="demo", version="1.0", target=TARGET, source=SOURCE, environment=ENVIRONMENT)
FULL_BUILD = replace(
    BUILD,
    part=BuildPart(
        wheel="abi3",
        system=System(dnf=("libpq-devel",), apt=("libpq-dev",)),
        build=Build(
            compiler="zig",
            requires=Requires(add=("cython<3.1",), remove=("oldest-supported-numpy",)),
            env={"CFLAGS": "-O2", "GRÜSSE": "ß"},
            config_settings={"setup-args": "-Dblas=none"},
            before=("python gen.py {work}",),
        ),
        patches=(Patch(file="fix.patch", versions="<2"),),
        repair=Repair(exclude=("libcuda.so.1",), search=("/opt/lib",), include=(Include(source="/a/*.so", to="demo"),)),
        verify=Verify(relax={"rpath": "ours"}),
    ),
    tools={"auditwheel": "6.8.2", "hook": "1"},
    generation=2,
    needs={"numpy": "a" * 64},
)
TEST = TestJob(
    project="demo",
    version="1.0",
    target=TARGET,
    wheel=WHEEL,
    environment=ENVIRONMENT,
    tests=(AUTO_IMPORTS,),
    index="main",
)
FULL_TEST = replace(
    TEST,
    tests=(
        AUTO_IMPORTS,
        Test(
            run=("python -m pytest",),
            folder="tests",
            requires=("pytest",),
            sources=("tests/",),
            files={"tests/default.cnf": "host={db.host}"},
            env={"MODE": "full"},
            services={"db": Service(image="mariadb", env={"MARIADB_USER": "test"})},
        ),
    ),
    index="company/base",
    source=SOURCE,
    generation=3,
)
DEBIAN = Image(
    name="debian11",
    making=Making(
        base="bullseye",
        packages=("build-essential", "zlib1g-dev"),
        pythons={"cp313-cp313t": Cpython(source="python3.13", configure=("--disable-gil",))},
        sources=("bookworm", "trixie"),
    ),
    platform="manylinux_2_31_x86_64",
    interpreters={"cp313t": "/opt/python/cp313-cp313t/bin/python3"},
    python="/opt/python/cp313-cp313t/bin/python3",
    manager="apt",
    test="debian11-test",
)
IMAGES = {
    "debian11": DEBIAN,
    "debian11-test": Image(
        name="debian11-test",
        making=Making(base="bullseye", interpreters_of="debian11", absent=("gcc",)),
        interpreters=DEBIAN.interpreters,
    ),
}
(CONTAINER,) = container_environments(IMAGES, tuple(IMAGES), arch="x86_64")
CONTAINED = replace(BUILD, target=CONTAINER.target, environment=CONTAINER)
LOCK = Lock(wheels=(LockedWheel(project="cython", version="3.0", artifact=WHEEL, origin="/wheels/cython.whl"),))

KEYS = {
    "build": BUILD.key,
    "build, every part": FULL_BUILD.key,
    "test": TEST.key,
    "test, every part": FULL_TEST.key,
    "test beside a service": replace(FULL_TEST, services={"mariadb": "d" * 64}).key,
    "lock": digest(LOCK),
    "request": BuildRequest(recipes=(Recipe(name="demo", versions=("1.0",)),)).digest,
    "environment": ENVIRONMENT.fingerprint,
    "environment of a test": ENVIRONMENT.test_fingerprint,
    "build in a container": CONTAINED.key,
    "build in a container, system packages": replace(CONTAINED, part=FULL_BUILD.part).key,
    "test in a container": replace(TEST, target=CONTAINER.target, environment=CONTAINER).key,
    "environment of a container": CONTAINER.fingerprint,
    "environment of a test in a container": CONTAINER.test_fingerprint,
}


def test_keys_are_the_golden_ones() -> None:
    if os.environ.get("BUILDFARM_REGOLD"):
        GOLDEN.write_text(json.dumps({"version": KEY_VERSION, "keys": KEYS}, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    changed = sorted(name for name in KEYS if KEYS[name] != golden["keys"].get(name))
    assert not changed, (
        f"keys changed: {', '.join(changed)}. Every farm would build everything anew. If that is meant, raise "
        "KEY_VERSION in model/job.py and run this test with BUILDFARM_REGOLD=1; if not, give the new field a default."
    )
    assert golden["version"] == KEY_VERSION, "KEY_VERSION was raised: run this test with BUILDFARM_REGOLD=1"
    assert golden["keys"].keys() == KEYS.keys()


OTHER_SOURCE = replace(SOURCE, artifact=replace(SOURCE.artifact, sha256="6" * 64))
OTHER_TARGET = Target.parse("cp312-manylinux_2_17_x86_64")
PACKAGE = SystemPackage(
    manager="apt",
    name="libyaml-dev",
    version="0.2.5-1",
    architecture="amd64",
    source="libyaml",
    artifact=Artifact(name="libyaml-dev.deb", size=1, sha256="b" * 64),
    origin="/libyaml-dev.deb",
)
IN_THE_BUILD_KEY: dict[str, list[object]] = {
    "target": [OTHER_TARGET],
    "source": [OTHER_SOURCE],
    "environment": [replace(ENVIRONMENT, definition={"os": "linux"})],
    "part": [
        replace(BUILD.part, wheel="pure"),
        replace(BUILD.part, system=System(apt=("libyaml-dev",))),
        replace(BUILD.part, build=Build(env={"A": "1"})),
        replace(BUILD.part, patches=(Patch(file="fix.patch"),)),
        replace(BUILD.part, repair=Repair(exclude=("libcuda.so.1",))),
        replace(BUILD.part, verify=Verify(relax={"rpath": "ours"})),
    ],
    "tools": [{"zig": "0.15"}],
    "generation": [2],
    "needs": [{"numpy": "a" * 64}],
    "packages": [(PACKAGE,)],
}
NOT_IN_THE_BUILD_KEY: dict[str, list[object]] = {
    "project": ["Demo"],
    "version": ["1.0.0"],
    "source": [
        replace(SOURCE, origin="/elsewhere"),
        replace(SOURCE, epoch=0),
        replace(SOURCE, artifact=replace(SOURCE.artifact, name="x.zip", size=1)),
    ],
    "environment": [
        replace(
            ENVIRONMENT, name="other", lane="other", compilers=("zig",), services={"redis": "d" * 64}, system=("apt",)
        ),
        replace(ENVIRONMENT, image="other", test_image="other", native="manylinux_2_31_x86_64", unpinned=True),
        replace(ENVIRONMENT, test_definition={}),
    ],
    "limits": [Limits(wall=1)],
    "native": [False],
    "cxx": [True],
    "requires": [("setuptools",)],
    "backend": ["flit_core.buildapi"],
    "backend_path": [(".",)],
    "build_tag": [4],
    "extensions": [7],
}
IN_THE_TEST_KEY: dict[str, list[object]] = {
    "target": [OTHER_TARGET],
    "wheel": [replace(WHEEL, sha256="8" * 64)],
    "environment": [replace(ENVIRONMENT, test_definition={"os": "linux"})],
    "tests": [(), (Test(imports=("demo",)),), (replace(AUTO_IMPORTS, requires=("pytest",)),)],
    "index": ["company/base"],
    "patches": [(Patch(file="fix.patch", sha256="c" * 64),)],
    "services": [{"mariadb": "d" * 64}],
    "source": [SOURCE],
    "generation": [2],
}
NOT_IN_THE_TEST_KEY: dict[str, list[object]] = {
    "project": ["Demo"],
    "version": ["1.0.0"],
    "wheel": [replace(WHEEL, name="x.whl", size=1)],
    "environment": [
        replace(ENVIRONMENT, definition={"os": "other"}, name="other", lane="other"),
        replace(ENVIRONMENT, services={"redis": "d" * 64}),
    ],
    "limits": [Limits(wall=1)],
}


def cases(table: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, other) for name, others in table.items() for other in others]


@pytest.mark.parametrize(("field", "other"), cases(IN_THE_BUILD_KEY))
def test_what_decides_the_bytes_is_in_the_build_key(field: str, other: object) -> None:
    assert replace(BUILD, **{field: other}).key != BUILD.key  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "other"), cases(NOT_IN_THE_BUILD_KEY))
def test_what_does_not_is_not(field: str, other: object) -> None:
    assert replace(BUILD, **{field: other}).key == BUILD.key  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "other"), cases(IN_THE_TEST_KEY))
def test_what_decides_the_report_is_in_the_test_key(field: str, other: object) -> None:
    assert replace(TEST, **{field: other}).key != TEST.key  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "other"), cases(NOT_IN_THE_TEST_KEY))
def test_what_does_not_is_not_in_the_test_key(field: str, other: object) -> None:
    assert replace(TEST, **{field: other}).key == TEST.key  # type: ignore[arg-type]


def test_a_new_field_of_a_job_or_of_its_parts_must_be_put_into_one_of_the_tables() -> None:
    assert {each.name for each in dataclasses.fields(BuildJob)} == IN_THE_BUILD_KEY.keys() | NOT_IN_THE_BUILD_KEY.keys()
    assert {each.name for each in dataclasses.fields(TestJob)} == IN_THE_TEST_KEY.keys() | NOT_IN_THE_TEST_KEY.keys()
    beside = {"name", "versions", "source", "targets", "limits", "tests", "overrides", "publish", "owners"}
    assert {each.name for each in dataclasses.fields(Recipe)} - beside == {
        each.name for each in dataclasses.fields(BuildPart)
    }


def test_the_release_counts_where_there_are_system_packages_and_where_they_come_from_does_not() -> None:
    seeing = replace(BUILD, packages=(PACKAGE,))
    assert replace(seeing, environment=replace(ENVIRONMENT, release="debian 13")).key != seeing.key
    assert replace(BUILD, environment=replace(ENVIRONMENT, release="debian 13")).key == BUILD.key
    assert replace(seeing, packages=(replace(PACKAGE, origin="/elsewhere"),)).key == seeing.key


def test_a_build_and_a_test_never_share_a_key_and_equal_jobs_do() -> None:
    assert len({BUILD.key, FULL_BUILD.key, TEST.key, FULL_TEST.key}) == 4
    assert replace(FULL_BUILD).key == FULL_BUILD.key


def test_a_request_is_the_same_wish_whatever_its_id() -> None:
    request = BuildRequest(recipes=(Recipe(name="demo"),))
    assert replace(request, id=7).digest == request.digest
    others = [
        replace(request, targets=("cp311-*",)),
        replace(request, index="pr/1"),
        replace(request, owner="b"),
        replace(request, urgency="nightly"),
        replace(request, recipes=(Recipe(name="demo", limits=Limits(wall=1)),)),
    ]
    assert len({request.digest, *(each.digest for each in others)}) == 6

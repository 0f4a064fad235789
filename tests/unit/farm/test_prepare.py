"""What a job's session needs: what is asked for, in which state of the source, and that no job stops the others."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest

from buildfarm.adapters.memory import MemoryCrates, MemoryPackages, MemoryResolver
from buildfarm.adapters.memory_runner import MemoryRunner
from buildfarm.farm.packages import pin_packages
from buildfarm.farm.tick import submit, tick
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildRequest, Environment, Lock
from buildfarm.model.outcome import Failed
from buildfarm.model.recipe import Build, Patch, Recipe, Requires, System, Test
from buildfarm.model.session import Command
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from tests.unit.farm.test_memory_story import DEMO, FIX, PATCHED, Farm, Machine, sdist, wheel, with_patch

CRATE = b"a crate"
ADDS_A_LOCK = f"""--- /dev/null
+++ b/Cargo.lock
@@ -0,0 +1,5 @@
+[[package]]
+name = "rpds"
+version = "1.2.0"
+source = "registry+here"
+checksum = "{sha256(CRATE).hexdigest()}"
""".encode()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TypeError("no such thing"), "a fault of buildfarm itself, TypeError: no such thing"),
        (RecursionError(), "a fault of buildfarm itself, RecursionError: "),
        (FarmError("uv is not here"), "uv is not here"),
    ],
)
def test_a_fault_of_ours_fails_its_job_and_no_other(error: Exception, message: str) -> None:
    class Faulty(MemoryResolver):
        def lock(self, requirements: Iterable[str], environment: Environment, index: str) -> Lock:
            requirements = tuple(requirements)
            if "poison" in requirements:
                raise error
            return super().lock(requirements, environment, index)

    sdists = {name: sdist(name.partition("-")[0], "1.0") for name in ("demo-1.0.tar.gz", "other-1.0.tar.gz")}
    farm = Farm(Machine(lambda _: wheel("other", "1.0")), sdists=sdists)
    farm.coordinator = replace(farm.coordinator, resolver=Faulty({}, farm.store))
    farm.build(replace(DEMO, build=Build(requires=Requires(add=("poison",)))), Recipe(name="other", versions=("1.0",)))
    failed = farm.failure()
    assert (failed.step, failed.reason.code, failed.reason.message) == ("prepare", "infra", message)
    assert farm.page("other")


def test_packages_are_locked_once_for_each_architecture() -> None:
    class Asked(MemoryPackages):
        def lock(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
            asked.append(farm.coordinator.environments()[0].target.arch)
            return super().lock(names)

    asked: list[str] = []
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.coordinator = replace(farm.coordinator, packages=Asked({"libone-dev": ()}, {}, farm.store))
    request = BuildRequest(recipes=(replace(DEMO, system=System(apt=("libone-dev",))),))
    host = replace(farm.environments[0], system=("apt",), release="debian 12")
    other = replace(host, target=Target.parse("cp311-manylinux_2_17_aarch64"))
    for each in (host, host, other):
        farm.coordinator = replace(farm.coordinator, environments=partial(tuple, [each]))
        assert pin_packages(farm.coordinator, request, {"demo": ("1.0",)}) == {("libone-dev",): ()}
    assert asked == ["x86_64", "aarch64"]


def rusty(package: str, patch: bytes) -> Failed | list[str]:
    """The roles of what is prepared for a source in Rust without a lock, after the patch; or the failure."""
    sdists = {"demo-1.0.tar.gz": sdist("demo", "1.0", file="Cargo.toml"), "/recipes/lock.patch": patch}
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), sdists=sdists)
    artifact = Artifact(name=f"{package}.deb", size=3, sha256=sha256(b"deb").hexdigest())
    locked = SystemPackage(
        manager="apt",
        name=package,
        version="1",
        architecture="amd64",
        source=package,
        artifact=artifact,
        origin="/cargo.deb",
    )
    farm.coordinator = replace(
        farm.coordinator,
        environments=lambda: (replace(farm.environments[0], system=("apt",), release="debian 12"),),
        packages=MemoryPackages({package: (locked,)}, {"/cargo.deb": b"deb"}, farm.store),
        crates=MemoryCrates({"rpds-1.2.0": CRATE}, farm.store),
    )
    recipe = replace(DEMO, system=System(apt=(package,)), patches=(Patch(file="/recipes/lock.patch"),))
    tick(farm.coordinator, submit(farm.coordinator, BuildRequest(recipes=(recipe,))))
    (row,) = farm.coordinator.jobs.rows()
    if isinstance(row.outcome, Failed):
        return row.outcome
    return [each.role for each in farm.coordinator.jobs.inputs(row.job.key)]


@pytest.mark.parametrize("package", ["cargo", "cargo-web", "cargo-1.75"])
def test_crates_are_those_of_the_patched_source(package: str) -> None:
    assert rusty(package, ADDS_A_LOCK) == ["source", "patch", "package", "crate"]


def test_a_patch_that_brings_no_lock_changes_nothing() -> None:
    failed = rusty("cargo", FIX.replace(b"x.py", b"Cargo.toml"))
    assert isinstance(failed, Failed)
    assert (failed.step, failed.reason.code) == ("prepare", "crates")


def test_a_patch_that_does_not_fit_is_left_to_the_build() -> None:
    assert rusty("cargo", ADDS_A_LOCK.replace(b"/dev/null", b"a/Cargo.lock")) == ["source", "patch", "package"]


def test_what_is_only_named_after_cargo_fetches_nothing() -> None:
    assert rusty("cargo-c", FIX.replace(b"x.py", b"Cargo.toml")) == ["source", "patch", "package"]


def test_tests_take_their_sources_after_the_patches() -> None:
    farm, seen = with_patch(FIX), set[bytes]()

    def watch(command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
        seen.update(content for path, content in files.items() if path == "/buildfarm/work/tests/x.py")
        return farm.machine(command, files)

    farm.place = replace(farm.place, runner=MemoryRunner(farm.store, watch))
    farm.build(replace(PATCHED, tests=(Test(run=("python x.py",), sources=("x.py",)),)))
    assert farm.page()
    assert seen == {b"fixed = True\n"}

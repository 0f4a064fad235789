"""The whole farm in memory: a recipe goes in, a published wheel comes out, with no process, no disk and no mock."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import replace
from hashlib import sha256

import pytest

from buildfarm.adapters.memory import MemoryLog, MemoryOwners, MemoryResolver, MemorySources, MemoryStore, MemoryTree
from buildfarm.adapters.memory_runner import MemoryRunner
from buildfarm.adapters.sql.database import never_crash
from buildfarm.adapters.sql.learning import SqlLearning
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.farm.find import find_jobs
from buildfarm.farm.tick import Ticked, submit, tick
from buildfarm.farm.why import why
from buildfarm.farm.work import Workplace, work_one
from buildfarm.model.errors import RecipeError
from buildfarm.model.job import BuildJob, BuildRequest, Environment, Worker
from buildfarm.model.outcome import Failed
from buildfarm.model.recipe import (
    Build,
    Override,
    Patch,
    Publish,
    Recipe,
    Requires,
    SdistSource,
    Test,
    Track,
    UrlSource,
)
from buildfarm.model.session import Command
from buildfarm.model.target import Target
from buildfarm.model.wheel import TestReport
from buildfarm.ports import Store, Tree, no_report
from tests.farms import farm_over

PLATFORM = "manylinux_2_17_x86_64"


def environment(abi: str) -> Environment:
    return Environment(
        name="memory",
        lane="memory",
        target=Target(abi=abi, platform=PLATFORM),
        definition={"python": abi},
        test_definition={"python": abi},
        compilers=("zig",),
        services={"mariadb": "a" * 64},
    )


def sdist(name: str, version: str, requires: tuple[str, ...] = (), file: str = "x.py") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        files = {
            file: b"",
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n".encode(),
            "pyproject.toml": b'[build-system]\nrequires = %s\nbuild-backend = "b"'
            % json.dumps(list(requires)).encode(),
        }
        for path, content in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size, info.mtime = len(content), 1_600_000_000
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def wheel(
    name: str, version: str, tag: str = "py3-none-any", requires: tuple[str, ...] = (), body: bytes = b""
) -> bytes:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    rows = [
        f"{path},sha256={urlsafe_b64encode(sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for path, content in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return packed.getvalue()


class Machine:
    """Programs of a session in memory: what the hook and the import script would do."""

    def __init__(
        self, build: Callable[[dict[str, object]], dict[str, object] | bytes], *, importable: bool = True
    ) -> None:
        self.build = build
        self.importable = importable
        self.calls: list[str] = []

    def __call__(self, command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
        self.calls.append(command.what)
        if command.what == "build the wheel":
            request = json.loads(files["/buildfarm/work/request.json"])
            made = self.build(request)
            if isinstance(made, bytes):
                archive = zipfile.ZipFile(io.BytesIO(made))
                name = archive.namelist()[0].removesuffix(".py")
                tag = archive.read(f"{name}-1.0.dist-info/WHEEL").decode().rpartition("Tag: ")[2].strip()
                files[f"/buildfarm/dist/{name}-1.0-{tag}.whl"] = made
                made = {"wheel": f"{name}-1.0-{tag}.whl"}
            elif "exit" in made:
                return int(str(made["exit"])), b"error: no such thing\n"
            files["/buildfarm/work/hook.json"] = json.dumps(made).encode()
        if command.what == "import the wheel's modules":
            failures = [] if self.importable else ["demo: ImportError: no"]
            answer = {"imported": ["demo"], "notes": [], "failures": failures, "compilers": []}
            files["/buildfarm/work/imports.json"] = json.dumps(answer).encode()
            return (0 if self.importable else 1), b"imported demo\n"
        return 0, f"{command.what}\n".encode()


class Farm:
    """A coordinator and one worker over memory adapters, or over this ledger, store and tree."""

    def __init__(
        self,
        machine: Machine,
        sdists: dict[str, bytes] | None = None,
        wheels: dict[str, bytes] | None = None,
        abis: tuple[str, ...] = ("cp311",),
        over: tuple[Ledger, Store, Tree] | None = None,
    ) -> None:
        store = MemoryStore()
        self.ledger, self.store, self.tree = over or (Ledger(), store, MemoryTree(store))
        self.machine, self.log = machine, MemoryLog()
        self.environments = tuple(environment(abi) for abi in abis)
        self.coordinator = farm_over(
            self.ledger,
            self.store,
            self.tree,
            sources=MemorySources(sdists or {"demo-1.0.tar.gz": sdist("demo", "1.0")}, self.store),
            resolver=MemoryResolver(wheels or {}, self.store),
            owners=MemoryOwners("local-me"),
            environments=lambda: self.environments,
            servers=lambda: {"mariadb": ()},
        )
        self.place = Workplace(
            claims=self.ledger.claims,
            runner=MemoryRunner(self.store, machine),
            store=self.store,
            log=self.log,
            bell=self.coordinator.bell,
            report=no_report,
            quit_=lambda: False,
        )
        fingerprints = frozenset(each for env in self.environments for each in (env.fingerprint, env.test_fingerprint))
        self.worker = Worker(name="local-me", lanes=frozenset({"memory"}), environments=fingerprints)

    def build(self, *recipes: Recipe, **request: object) -> Ticked:
        made = submit(self.coordinator, BuildRequest(recipes=recipes, **request))  # type: ignore[arg-type]
        for _ in range(30):
            ticked = tick(self.coordinator, made)[made.id]
            if ticked.done:
                return ticked
            work_one(self.place, self.worker, made.id)
        raise AssertionError("the request never ended")

    def page(self, project: str = "demo") -> str:
        return (self.tree.read(f"main/simple/{project}/index.html") or b"").decode()

    def failure(self) -> Failed:
        (row,) = self.coordinator.jobs.rows(states=frozenset({"failed"}))
        assert isinstance(row.outcome, Failed)
        return row.outcome


DEMO = Recipe(name="demo", versions=("1.0",))


def test_a_recipe_becomes_a_wheel_on_a_page() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    ticked = farm.build(DEMO)
    assert [str(goal.target) for goal in ticked.plan.goals] == [f"cp311-{PLATFORM}"]
    assert "demo-1.0-py3-none-any.whl#sha256=" in farm.page()
    document = json.loads(farm.tree.read("main/simple/demo/index.json") or b"")
    (file,) = document["files"]
    served = farm.tree.read(f"main/simple/demo/{file['url']}".replace("main/simple/demo/../../../", "")) or b""
    assert sha256(served).hexdigest() == file["hashes"]["sha256"]
    assert document["versions"] == ["1.0"]


def test_the_same_request_again_runs_nothing() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    before = list(farm.machine.calls)
    farm.build(DEMO)
    assert farm.machine.calls == before


def test_a_pure_wheel_is_built_once_and_tested_on_every_interpreter() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), abis=("cp311", "cp312", "cp313"))
    ticked = farm.build(DEMO)
    assert farm.machine.calls.count("build the wheel") == 1
    assert farm.machine.calls.count("import the wheel's modules") == 3
    assert len({goal.build for goal in ticked.plan.goals}) == 1
    assert len(ticked.plan.goals) == 3


def test_a_hook_that_wants_more_is_leased_anew_with_it() -> None:
    wants: dict[str, object] = {"wants": ["helper>=1"]}
    farm = Farm(
        Machine(lambda request: wheel("demo", "1.0") if "helper>=1" in request["granted"] else wants),  # type: ignore[operator]
        wheels={"helper-1.0-py3-none-any.whl": wheel("helper", "1.0")},
    )
    farm.build(DEMO)
    assert farm.page()
    (row,) = (row for row in farm.coordinator.jobs.rows() if row.job.kind == "build")
    assert (row.state, row.attempts, row.wishes) == ("succeeded", 1, ("helper>=1",))


def test_a_hook_that_always_wants_more_fails_in_the_end() -> None:
    names = iter("abcdefgh")
    wheels = {f"{name}-1.0-py3-none-any.whl": wheel(name, "1.0") for name in "abcdefgh"}
    farm = Farm(Machine(lambda _: {"wants": [next(names)]}), wheels=wheels)
    farm.build(DEMO)
    assert farm.failure().reason.code == "insatiable"


def test_a_failed_hook_is_a_failed_build_with_its_output() -> None:
    farm = Farm(Machine(lambda _: {"exit": 1}))
    farm.build(DEMO)
    failed = farm.failure()
    assert (failed.step, failed.reason.code) == ("build", "exit-code")
    assert failed.reason.tail[-1] == "error: no such thing"
    assert not farm.page()


def test_requirements_that_cannot_be_had_fail_in_prepare() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), sdists={"demo-1.0.tar.gz": sdist("demo", "1.0", ("nowhere",))})
    farm.build(DEMO)
    assert farm.failure().step == "prepare"
    assert farm.machine.calls == []


def test_a_wheel_of_another_name_is_caught_by_verify() -> None:
    farm = Farm(Machine(lambda _: wheel("other", "1.0")))
    farm.build(DEMO)
    assert farm.failure().step == "verify"


def test_a_failed_import_withholds_the_wheel_and_a_new_request_tests_again() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0"), importable=False))
    ticked = farm.build(DEMO)
    assert farm.failure().step == "test"
    assert ticked.judgements[0].withheld
    assert not farm.page()
    farm.machine.importable = True
    farm.build(DEMO)
    assert farm.page()
    assert farm.machine.calls.count("build the wheel") == 1


def test_runtime_requirements_that_cannot_be_had_are_test_requirements() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0", requires=("nowhere",))))
    ticked = farm.build(DEMO)
    assert farm.failure().reason.code == "test-requirements"
    assert ticked.judgements[0].withheld


def test_tests_skipped_by_the_recipe_with_a_reason_are_accepted() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    ticked = farm.build(replace(DEMO, overrides=(Override(select="*", skip="no screen"),)))
    assert ticked.plan.goals[0].skip == "no screen"
    assert farm.page()


def test_editing_a_test_repeats_the_test_only() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    farm.build(replace(DEMO, tests=(Test(imports=("demo",)),)))
    assert farm.machine.calls.count("build the wheel") == 1
    assert farm.machine.calls.count("import the wheel's modules") == 2


def test_a_rebuild_with_other_content_gets_a_build_tag() -> None:
    bodies = iter((b"", b"new = 1"))
    farm = Farm(Machine(lambda _: wheel("demo", "1.0", body=next(bodies))))
    farm.build(DEMO)
    farm.build(replace(DEMO, build=Build(env={"A": "1"})))
    assert farm.machine.calls.count("stamp the build tag") == 1


def test_a_requirement_built_in_the_same_request_is_waited_for() -> None:
    sdists = {
        "demo-1.0.tar.gz": sdist("demo", "1.0", ("helper",)),
        "helper-1.0.tar.gz": sdist("helper", "1.0"),
    }
    made: list[str] = []

    def make(request: dict[str, object]) -> dict[str, object] | bytes:
        made.append("demo" if request["granted"] else "helper")
        return wheel("demo" if request["granted"] else "helper", "1.0")

    farm = Farm(Machine(make), sdists=sdists, wheels={"helper-1.0-py3-none-any.whl": wheel("helper", "1.0")})
    farm.build(DEMO, Recipe(name="helper", versions=("1.0",)))
    assert made == ["helper", "demo"]
    (demo,) = (row.job for row in farm.coordinator.jobs.rows() if row.job.kind == "build" and row.job.project == "demo")
    assert list(demo.needs) == ["helper"]  # type: ignore[union-attr]


def test_a_test_that_ends_while_the_tick_judges_is_judged_by_the_next() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))

    class Learning(SqlLearning):
        def reports(self, keys: Iterable[str]) -> Mapping[str, TestReport]:
            found = super().reports(keys)
            work_one(farm.place, farm.worker)
            return found

    farm.coordinator = replace(farm.coordinator, learning=Learning(farm.ledger.database))
    farm.build(DEMO)
    assert farm.page()


def test_with_all_targets_nothing_is_published_before_everything_is_good() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0", "cp311-none-any")), abis=("cp311", "cp312"))
    recipe = replace(DEMO, publish=Publish(all_targets=True))
    ticked = farm.build(recipe)
    assert not farm.page()
    assert ["publish.all_targets" in each.withheld for each in ticked.judgements] == [True]
    farm.build(replace(recipe, publish=Publish()))
    assert farm.page()


def test_what_needs_a_wheel_that_is_withheld_is_left_out_in_the_end() -> None:
    sdists = {"demo-1.0.tar.gz": sdist("demo", "1.0", ("helper",)), "helper-1.0.tar.gz": sdist("helper", "1.0")}
    farm = Farm(Machine(lambda _: wheel("helper", "1.0")), sdists=sdists)
    farm.tree.write(f"main/+f/{sha256(wheel('helper', '1.0')).hexdigest()}/helper-1.0-py3-none-any.whl", b"other bytes")
    ticked = farm.build(DEMO, Recipe(name="helper", versions=("1.0",)))
    assert [(out.project, "needs helper" in out.reason) for out in ticked.plan.left_out] == [("demo", True)]
    assert [each.state for each in farm.coordinator.events.publications()] == ["conflict"]
    assert "other bytes" in ticked.judgements[0].withheld


def test_an_interpreter_that_cannot_be_built_for_is_left_out_with_what_would_help() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    without = replace(environment("cp313"), lacks="it has no headers. apt install libpython3.13-dev")
    farm.coordinator = replace(farm.coordinator, environments=lambda: (*farm.environments, without))
    ticked = farm.build(DEMO)
    assert [(out.target, out.reason) for out in ticked.plan.left_out] == [(f"cp313-{PLATFORM}", without.lacks)]
    assert farm.page()


def test_a_request_that_somebody_else_closed_still_has_its_end() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    mine = submit(farm.coordinator, BuildRequest(recipes=(DEMO,)))
    farm.build(DEMO)
    assert not farm.coordinator.requests.open_requests()
    assert tick(farm.coordinator, mine)[mine.id].done


def test_what_is_published_for_another_request_is_told_so() -> None:
    farm = Farm(Machine(lambda request: wheel("demo", "1.0")))
    told: list[str] = []

    class Dead(BaseException):
        pass

    def crash(point: str) -> None:
        if point == "want:after":
            raise Dead

    farm.ledger.database._crash = crash
    with pytest.raises(Dead):
        farm.build(DEMO)
    farm.ledger.database._crash = never_crash
    farm.coordinator = replace(farm.coordinator, report=lambda progress: told.append(progress.message))
    farm.build(Recipe(name="other", versions=("1.0",)))
    assert "published on main, for another request" in told


def test_a_request_goes_on_when_its_environment_was_replaced() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    tick(farm.coordinator, submit(farm.coordinator, BuildRequest(recipes=(DEMO,))))  # queued, and then interrupted
    newer = replace(farm.environments[0], definition={"python": "cp311", "tools": "newer"})
    farm.coordinator = replace(farm.coordinator, environments=lambda: (newer,))
    farm.worker = replace(farm.worker, environments=frozenset({newer.fingerprint, newer.test_fingerprint}))
    farm.build(DEMO)
    assert farm.page()


def test_a_recipe_without_tests_is_withheld() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    ticked = farm.build(replace(DEMO, tests=()))
    assert "not run" in ticked.judgements[0].withheld
    assert not farm.page()


def test_tests_of_a_later_override_hold_against_an_earlier_skip() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    overrides = (Override(select="*", skip="no screen"), Override(select="cp311-*", tests=(Test(imports=("demo",)),)))
    farm.build(replace(DEMO, overrides=overrides))
    assert "import the wheel's modules" in farm.machine.calls


def test_why_tells_every_input() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    ((story,), _) = why(farm.coordinator, "demo-1.0-py3-none-any.whl")
    assert story.inputs[0].artifact.name == "demo-1.0.tar.gz"
    assert [each.state for each in story.publications] == ["published"]
    assert len(story.tests) == 1


def test_what_is_asked_for_is_found_by_name_and_by_four_digits_or_refused() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.build(DEMO)
    build, test = find_jobs(farm.coordinator, "demo")
    for row in (build, test):
        assert find_jobs(farm.coordinator, row.job.key[:4]) == (row,)
    assert why(farm.coordinator, build.job.key[:4]) == why(farm.coordinator, "demo")
    for wanted in ("", build.job.key[:3], "nobody"):
        for ask in (find_jobs, why):
            with pytest.raises(RecipeError, match=f"of '{wanted}' is known; `buildfarm status` lists"):
                ask(farm.coordinator, wanted)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nothing", "upstream knows no project nothing. Is"), ("demo==9", "no sdist of demo 9. It has 1.0.")],
)
def test_what_upstream_does_not_have_is_left_out_with_the_reason(name: str, reason: str) -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    project, _, version = name.partition("==")
    ticked = farm.build(Recipe(name=project, versions=(version,) if version else Recipe(name="x").versions))
    assert [out.target for out in ticked.plan.left_out] == ["*"]
    assert reason in ticked.plan.left_out[0].reason


def test_editing_requirements_of_the_build_locks_again() -> None:
    wheels = {"helper-1.0-py3-none-any.whl": wheel("helper", "1.0")}
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), wheels=wheels)
    farm.build(replace(DEMO, build=Build(requires=Requires(add=("helper",)))))
    (row,) = (row for row in farm.coordinator.jobs.rows() if row.job.kind == "build")
    assert [each.artifact.name for each in farm.coordinator.jobs.inputs(row.job.key)][
        -1
    ] == "helper-1.0-py3-none-any.whl"


# ------------------------------------------------------------------------------------------------------- sources

FIX = b"--- a/x.py\n+++ b/x.py\n@@ -0,0 +1 @@\n+fixed = True\n"
REQUIRING = (
    b"--- a/pyproject.toml\n+++ b/pyproject.toml\n@@ -1,3 +1,3 @@\n [build-system]\n-requires = []\n"
    b'+requires = ["helper"]\n build-backend = "b"\n\\ No newline at end of file\n'
)
PATCHED = replace(DEMO, patches=(Patch(file="/recipes/fix.patch", versions="<2"),))


def with_patch(content: bytes, **wheels: bytes) -> Farm:
    sdists = {"demo-1.0.tar.gz": sdist("demo", "1.0"), "/recipes/fix.patch": content}
    return Farm(Machine(lambda _: wheel("demo", "1.0")), sdists=sdists, wheels=wheels)


def test_a_patch_is_an_input_of_the_job_and_its_bytes_are_in_the_key() -> None:
    farm = with_patch(FIX)
    seen: list[bytes] = []

    def build(_: dict[str, object]) -> bytes:
        return wheel("demo", "1.0")

    def watch(command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
        seen.extend(content for path, content in files.items() if path == "/buildfarm/source/x.py")
        return Machine(build)(command, files)

    farm.place = replace(farm.place, runner=MemoryRunner(farm.store, watch))
    farm.build(PATCHED)
    assert farm.page()
    assert set(seen) == {b"fixed = True\n"}
    (job,) = (row.job for row in farm.coordinator.jobs.rows() if isinstance(row.job, BuildJob))
    assert job.part.patches == (Patch(file="fix.patch", sha256=sha256(FIX).hexdigest()),)
    assert [each.role for each in farm.coordinator.jobs.inputs(job.key)] == ["source", "patch"]


def test_a_patch_that_does_not_fit_fails_the_build() -> None:
    farm = with_patch(b"--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old\n+new\n")
    farm.build(PATCHED)
    failed = farm.failure()
    assert (failed.step, failed.reason.code) == ("build", "patch")
    assert "at line 1 it expects 'old', and there is the end of the file" in failed.reason.message


def test_a_patch_may_change_what_the_build_requires() -> None:
    farm = with_patch(REQUIRING, **{"helper-1.0-py3-none-any.whl": wheel("helper", "1.0")})
    farm.build(PATCHED)
    (job,) = (row.job for row in farm.coordinator.jobs.rows() if isinstance(row.job, BuildJob))
    assert job.requires == ("helper",)


def test_a_patch_that_is_not_there_is_said() -> None:
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    (out,) = farm.build(PATCHED).plan.left_out
    assert "the patch /recipes/fix.patch could not be read" in out.reason


def test_a_patch_for_other_versions_is_left_alone() -> None:
    farm = with_patch(b"no patch")
    farm.build(replace(PATCHED, patches=(replace(PATCHED.patches[0], versions=">=2"),)))
    assert farm.page()


OLD, NEW = sdist("demo", "1.0"), sdist("demo", "1.0", file="y.py")


def after_a_change(recipe: Recipe) -> tuple[Farm, Ticked]:
    """The recipe, built after upstream changed the bytes of an sdist that is pinned."""
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")), sdists={"demo-1.0.tar.gz": OLD})
    farm.build(DEMO)
    changed = MemorySources({"demo-1.0.tar.gz": NEW}, farm.store)
    farm.coordinator = replace(farm.coordinator, sources=changed)
    return farm, farm.build(recipe)


def built_from(farm: Farm) -> set[str]:
    return {row.job.source.artifact.sha256 for row in farm.coordinator.jobs.rows() if isinstance(row.job, BuildJob)}


def test_an_sdist_that_changed_upstream_is_refused_with_both_hashes() -> None:
    _, ticked = after_a_change(replace(DEMO, versions=Track()))
    (out,) = ticked.plan.left_out
    assert sha256(OLD).hexdigest() in out.reason
    assert sha256(NEW).hexdigest() in out.reason
    assert 'source: {sdist: {"1.0": "sha256:…"}}' in out.reason


@pytest.mark.parametrize(("versions", "content"), [(("1.0",), OLD), (("1.0",), NEW), (Track(), OLD), (Track(), NEW)])
def test_the_hash_that_the_recipe_names_is_the_one_that_is_built(
    versions: tuple[str, ...] | Track, content: bytes
) -> None:
    hashes = {"1.0": f"sha256:{sha256(content).hexdigest()}"}
    farm, ticked = after_a_change(Recipe(name="demo", versions=versions, source=SdistSource(hashes=hashes)))
    assert ticked.plan.left_out == ()
    assert built_from(farm) == {sha256(OLD).hexdigest(), sha256(content).hexdigest()}


def test_a_pinned_version_needs_no_upstream() -> None:
    farm, ticked = after_a_change(replace(DEMO, build=Build(env={"A": "1"})))
    assert ticked.plan.left_out == ()
    assert built_from(farm) == {sha256(OLD).hexdigest()}


def test_a_hash_that_nobody_has_is_refused_with_both() -> None:
    _, ticked = after_a_change(replace(DEMO, source=SdistSource(hashes={"1.0": "sha256:" + "0" * 64})))
    (out,) = ticked.plan.left_out
    assert "0" * 64 in out.reason
    assert sha256(NEW).hexdigest() in out.reason


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x/demo-1.0.tar.gz", "demo-1.0.tar.gz"),
        ("https://x/a/demo%201.0.zip?token=1", "demo 1.0.zip"),
        ("https://x/download?id=5#demo-1.0.tar.gz", "demo-1.0.tar.gz"),
        ("https://x/v1.0.tar.xz#sha256=0", "v1.0.tar.xz"),
    ],
)
def test_a_url_names_its_file_in_its_path_or_behind_it(url: str, name: str) -> None:
    source = UrlSource(url=url, sha256="sha256:" + sha256(OLD).hexdigest())
    farm = Farm(Machine(lambda _: wheel("demo", "1.0")))
    farm.store.put(name, io.BytesIO(OLD))
    ticked = farm.build(replace(DEMO, source=source))
    if name.endswith(".tar.gz"):
        assert ticked.plan.left_out == ()
    else:
        assert name in ticked.plan.left_out[0].reason  # its bytes are no such archive


def test_a_url_that_names_no_archive_is_said() -> None:
    source = UrlSource(url="https://x/download?id=5", sha256="sha256:" + "0" * 64)
    (out,) = Farm(Machine(lambda _: b"")).build(replace(DEMO, source=source)).plan.left_out
    assert "append the name: https://x/download?id=5#NAME-1.0.tar.gz" in out.reason

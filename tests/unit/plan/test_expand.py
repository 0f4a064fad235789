"""Plans: golden ones for what a request can come to, and what holds for all of them.

Each golden file tells a short story: the plan at first, and after each thing that was learnt.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.facts import Facts, KnownSource, KnownWheel
from buildfarm.model.job import BuildJob, BuildRequest, Environment, Job, SourcePin
from buildfarm.model.outcome import Reason
from buildfarm.model.plan import Plan
from buildfarm.model.recipe import (
    Build,
    Include,
    Override,
    Patch,
    Recipe,
    Repair,
    Requires,
    Service,
    System,
    Targets,
    Test,
)
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.expand import expand

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"
MANYLINUX, MUSLLINUX = "manylinux_2_17_x86_64", "musllinux_1_2_x86_64"
CP310, CP311, CP313T = (f"{abi}-{MANYLINUX}" for abi in ("cp310", "cp311", "cp313t"))
OFFERED = tuple(f"{abi}-{platform}" for platform in (MANYLINUX, MUSLLINUX) for abi in ("cp310", "cp311", "cp313t"))


def environment(target: str, **more: object) -> Environment:
    name = "host" if MANYLINUX in target else "musl"
    made = Environment(
        name=name,
        lane=name,
        target=Target.parse(target),
        definition={"target": target, "kit": "1"},
        test_definition={"target": target},
        compilers=("zig",),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def sha256(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


@dataclass
class World:
    """A request and the facts about it, with the verbs of a farm."""

    recipes: tuple[Recipe, ...]
    targets: tuple[str, ...] = ("*",)
    facts: Facts = field(default_factory=lambda: Facts(servers={"mariadb": ("MARIADB_USER",)}))
    passed: frozenset[str] = frozenset()

    def knows(self, name: str, *versions: str, **source: object) -> World:
        """The project's versions, each with its source."""
        known = {
            (name, version): replace(
                KnownSource(
                    pin=SourcePin(
                        artifact=Artifact(name=f"{name}-{version}.tar.gz", size=1, sha256=sha256(name, version)),
                        origin=f"/{name}-{version}.tar.gz",
                        epoch=1_600_000_000,
                    )
                ),
                **source,  # type: ignore[arg-type]
            )
            for version in versions
        }
        return self.learn(versions={**self.facts.versions, name: versions}, sources={**self.facts.sources, **known})

    def lacks(self, name: str, version: str = "") -> World:
        """The project, or one version of it, is not to be had."""
        reason = Reason(
            code="unknown-project", message=f"upstream has no sdist of {name}.", advice="Is the name right?"
        )
        if not version:
            return self.learn(versions={**self.facts.versions, name: reason})
        return self.learn(sources={**self.facts.sources, (name, version): reason})

    def learn(self, **facts: object) -> World:
        self.facts = replace(self.facts, **facts)  # type: ignore[arg-type]
        return self

    def plan(self) -> Plan:
        return expand(BuildRequest(recipes=self.recipes, targets=self.targets), self.facts)

    def jobs(self) -> tuple[Job, ...]:
        """Jobs of the plan that did not end yet."""
        ended = self.facts.wheels.keys() | self.facts.failed | self.passed
        return tuple(job for job in self.plan().jobs if job.key not in ended)

    def job(self, kind: str, name: str, target: str) -> Job:
        """The one job of the plan that is of that kind, for that project and target."""
        said = (kind, name, target)
        (job,) = (each for each in self.plan().jobs if (each.kind, each.project, str(each.target)) == said)
        return job

    def build(self, name: str, target: str, tags: str = "", content: str = "") -> World:
        """The build job succeeded; a wheel with these tags, of the target alone where none are given."""
        return self.made(self.job("build", name, target), tags, content)

    def made(self, job: Job, tags: str = "", content: str = "") -> World:
        assert isinstance(job, BuildJob)
        tag = f"{job.build_tag}-" if job.build_tag else ""
        tags = tags or f"{job.target.interpreter}-{job.target.abi}-{job.target.platform}"
        artifact = Artifact(name=f"{job.project}-{job.version}-{tag}{tags}.whl", size=1, sha256=sha256(job.key, tags))
        wheel = KnownWheel(artifact=artifact, content=content or sha256("content", artifact.sha256), extensions=1)
        return self.learn(wheels={**self.facts.wheels, job.key: wheel}, last={**self.facts.last, job.project: wheel})

    def fail(self, kind: str, name: str, target: str) -> World:
        return self.failed(self.job(kind, name, target))

    def failed(self, job: Job) -> World:
        return self.learn(failed=self.facts.failed | {job.key})

    def succeeded(self, job: Job, tags: str = "") -> World:
        """A build made a wheel, or a test passed; what all its tests are passed of is published."""
        if isinstance(job, BuildJob):
            return self.made(job, tags).publish()
        self.passed |= {job.key}
        return self.publish()

    def publish(self) -> World:
        """Wheels whose every goal has a passed test, or none by the recipe, are on the index."""
        published = dict(self.facts.published)
        goals = [goal for goal in self.plan().goals if goal.wheel]
        for goal in goals:
            tests = {each.test for each in goals if each.wheel == goal.wheel and not each.skip}
            wheel, there = self.facts.wheels[goal.build], published.get((goal.project, goal.version), ())
            if tests <= self.passed and all(wheel.content != each.content for each in there):
                published[goal.project, goal.version] = (*there, wheel)
        return self.learn(published=published)


def rendered(plan: Plan) -> str:
    """A plan for people: keys are replaced by the names of their jobs."""
    names = {job.key: f"{job.kind} {job.project} {job.version} {job.target}" for job in plan.jobs}
    lines = ["jobs"]
    for job in plan.jobs:
        line = names[job.key]
        if isinstance(job, BuildJob):
            line += "".join(f", needs {name} of {names.get(key, key)}" for name, key in job.needs.items())
            line += f", build tag {job.build_tag}" if job.build_tag else ""
        else:
            line += f", {job.wheel.name}"
        lines.append("  " + line)
    lines.append("goals")
    for goal in plan.goals:
        test = names.get(goal.test, goal.test) or (f"skipped: {goal.skip}" if goal.skip else "-")
        lines.append(f"  {goal.project} {goal.version} {goal.target}")
        lines.append(f"    {names[goal.build]} | {goal.wheel.name if goal.wheel else '-'} | {test}")
    lines.append("later")
    for later in plan.later:
        lines.append(f"  {later.project} {later.version} {later.target}: {later.reason}")
        lines.append(f"    after {names.get(later.after, later.after)}")
    lines.append("left out")
    lines += [
        f"  {' '.join(filter(None, (out.project, out.version, out.target)))}: {out.reason}" for out in plan.left_out
    ]
    return "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------------------------------- golden plans

Told = Iterator[tuple[str, World]]


def world(*recipes: Recipe, offered: Iterable[str] = OFFERED, targets: tuple[str, ...] = ("*",)) -> World:
    return World(recipes=recipes, targets=targets).learn(environments=tuple(map(environment, offered)))


def demo(offered: Iterable[str] = OFFERED, **parts: object) -> World:
    return world(Recipe(name="demo", **parts), offered=offered).knows("demo", "1.0")  # type: ignore[arg-type]


def one_target() -> Told:
    told = demo(offered=[CP311])
    yield "asked for", told
    yield "built", told.build("demo", CP311)


def a_lead_that_fails() -> Told:
    told = demo(offered=[CP310, CP311, f"cp310-{MUSLLINUX}"])
    yield "of unknown kind: one leads on each platform", told
    yield "the lead failed: the others build themselves", told.fail("build", "demo", CP310)


def a_lead_that_makes_an_abi3_wheel() -> Told:
    told = demo(offered=[CP310, CP311, f"cp313-{MANYLINUX}", CP313T], wheel="abi3")
    yield "the oldest interpreter leads", told
    yield (
        "abi3: the newer ones are only tested, free-threaded builds itself",
        told.build("demo", CP310, f"cp310-abi3-{MANYLINUX}"),
    )


def a_lead_that_makes_a_wheel_for_any_platform() -> Told:
    told = demo(offered=[CP311, f"cp311-{MUSLLINUX}", CP310]).knows("demo", "1.0", native=False)
    yield "a source without native code leads once for all platforms", told
    yield "pure", told.build("demo", CP310, "py3-none-any")


def a_lead_that_makes_a_platform_wheel() -> Told:
    told = demo(offered=[CP310, CP311, CP313T])
    yield "one leads", told
    yield "its wheel is for itself alone: the rest is free", told.build("demo", CP310)


def wheel_platform() -> Told:
    yield "all at once", demo(offered=[CP310, CP311], wheel="platform")


def wheel_pure_from_native_source() -> Told:
    yield "the recipe promises one wheel: one leads for all platforms", demo(wheel="pure")


def the_kind_of_the_last_release() -> Told:
    told = demo(offered=[CP310, CP311])
    old = KnownWheel(
        artifact=Artifact(name=f"demo-0.9-cp39-cp39-{MANYLINUX}.whl", size=1, sha256="0"), content="", extensions=3
    )
    yield "was platform: all at once", told.learn(last={"demo": old})
    abi3 = replace(old, artifact=replace(old.artifact, name=f"demo-0.9-cp39-abi3-{MANYLINUX}.whl"))
    yield "was abi3: one leads again", told.learn(last={"demo": abi3})


def left_out() -> Told:
    recipes = (
        Recipe(name="old", versions=("1.0",)),
        Recipe(name="picky", targets=Targets(python=">=3.11", platforms=("manylinux_*", "win_amd64"))),
        Recipe(name="served", tests=(Test(run=("pytest",), services={"db": Service(image="mariadb")}),)),
        Recipe(name="system", system=System(dnf=("mysql-devel",), apk=("mariadb-dev",))),
        Recipe(name="gcc", build=Build(compiler="system")),
        Recipe(name="patched", patches=(Patch(file="fix.patch", versions="<2"),)),
        Recipe(name="included", repair=Repair(include=(Include(source="/usr/lib/*.so", to="included"),))),
        Recipe(name="unknown"),
        Recipe(name="halfknown"),
    )
    told = world(*recipes, offered=[CP310, CP313T], targets=("*-manylinux*", "cp39-*"))
    for recipe in recipes:
        told.knows(recipe.name, "1.0")
    told.knows("old", "1.0", requires_python="<3.11").knows("halfknown", "1.0", "2.0")
    yield "each for its reason", told.lacks("unknown").lacks("halfknown", "2.0")
    yield (
        "an environment that can install something else",
        told.learn(environments=(environment(CP310, system=("apt",)),)),
    )


def nothing_that_was_asked_for_is_wanted() -> Told:
    told = demo(offered=[CP310, f"cp310-{MUSLLINUX}"], targets=Targets(platforms=("musllinux_*",)))
    told.targets = ("*-manylinux*",)
    yield "the recipe is for another platform than the request", told
    yield "no environment at all", told.learn(environments=())


def overrides_and_skips() -> Told:
    yield (
        "glob over identifiers",
        demo(
            offered=[CP310, CP311, f"cp310-{MUSLLINUX}"],
            wheel="platform",
            overrides=(
                Override(select="*-musllinux_*", skip="no server image for musl"),
                Override(select="cp310-*", system=System(apt=("libyaml-dev",))),
                Override(select="cp310-musl*", system=System()),
            ),
        ),
    )
    told = demo(offered=[f"cp310-{MUSLLINUX}"], overrides=(Override(select="*", skip="no server image for musl"),))
    yield "a skipped test", told.build("demo", f"cp310-{MUSLLINUX}")


def a_build_requirement_that_is_built_here() -> Told:
    told = world(Recipe(name="app"), Recipe(name="lib"), offered=[CP310, CP311])
    told.knows("app", "1.0", requires=("setuptools", "Lib>=1")).knows("lib", "1.0", "2.0rc1")
    yield "it goes first, and all targets wait for it", told
    for job in told.jobs():
        told.succeeded(job)
    yield "built: its test is waited for", told
    for job in told.jobs():
        told.succeeded(job)
    yield "published on the one target: it enters the key there", told


def a_build_requirement_that_failed() -> Told:
    told = world(Recipe(name="app"), Recipe(name="lib", wheel="platform"), offered=[CP310, CP311])
    told.knows("app", "1.0", requires=("lib",)).knows("lib", "1.0")
    yield "its build", told.fail("build", "lib", CP310)
    yield "its test", told.build("lib", CP311).fail("test", "lib", CP311)


def a_build_requirement_whose_wheel_is_withheld() -> Told:
    told = world(Recipe(name="app"), Recipe(name="lib", wheel="abi3"), offered=[CP310, CP311])
    told.knows("app", "1.0", requires=("lib",)).knows("lib", "1.0").build("lib", CP310, f"cp310-abi3-{MANYLINUX}")
    yield "it failed its test on the other target", told.fail("test", "lib", CP311)


def build_requirements_in_a_circle() -> Told:
    told = world(*(Recipe(name=name) for name in ("before", "one", "two", "behind", "leaf")), offered=[CP310])
    told.knows("one", "1.0", requires=("two",)).knows("two", "1.0", requires=("one",)).knows("leaf", "1.0")
    told.knows("before", "1.0", requires=("leaf",)).knows("behind", "1.0", requires=("one", "leaf"))
    yield "in the order given, the first of them with what upstream has", told


def a_circle_that_the_recipe_breaks() -> Told:
    told = world(
        Recipe(name="one", build=Build(requires=Requires(add=("three",), remove=("Two",)))),
        Recipe(name="two"),
        Recipe(name="three"),
        offered=[CP310],
    )
    told.knows("one", "1.0", requires=("two",)).knows("two", "1.0", requires=("one",)).knows("three", "1.0")
    yield "by the edit of its requirements", told


def a_requirement_that_an_older_version_meets() -> Told:
    told = world(Recipe(name="app"), Recipe(name="cython"), offered=[CP310])
    told.knows("app", "1.0", requires=("cython<3",)).knows("cython", "0.29", "3.1")
    yield "that one is waited for", told
    told.knows("cython", "3.1")
    yield "none here does: upstream's is taken", told


def a_rebuild() -> Told:
    told = demo(offered=[CP310, CP311], wheel="platform").build("demo", CP310, content="same")
    yield "published before", told.succeeded(told.job("test", "demo", CP310))
    told.learn(environments=tuple(environment(each, definition={"kit": "2"}) for each in (CP310, CP311)))
    yield "with other tools: the file name is taken, so it gets a build tag", told
    told.recipes += (Recipe(name="app"),)
    told.knows("app", "1.0", requires=("demo",)).build("demo", CP310, content="same")
    yield "equal apart from the tag: never published again, and nobody waits for that", told


STORIES = [
    *(one_target, a_lead_that_fails, a_lead_that_makes_an_abi3_wheel, a_lead_that_makes_a_wheel_for_any_platform),
    *(a_lead_that_makes_a_platform_wheel, wheel_platform, wheel_pure_from_native_source, the_kind_of_the_last_release),
    *(left_out, nothing_that_was_asked_for_is_wanted, overrides_and_skips, a_build_requirement_that_is_built_here),
    *(a_build_requirement_that_failed, a_build_requirement_whose_wheel_is_withheld, build_requirements_in_a_circle),
    *(a_circle_that_the_recipe_breaks, a_requirement_that_an_older_version_meets, a_rebuild),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_golden_plan(story: Callable[[], Told]) -> None:
    text = "\n".join(f"# {title}\n{rendered(told.plan())}" for title, told in story())
    golden = GOLDEN / f"{story.__name__}.txt"
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_each_golden_plan_has_its_story() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {story.__name__ for story in STORIES}


# ------------------------------------------------------------------------------------------- what holds for all plans

NAMES = ("a", "b", "c")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    recipes = [
        Recipe(
            name=name,
            wheel=draw(st.sampled_from(["auto", "auto", "pure", "abi3", "platform"])),
            overrides=draw(st.sampled_from([(), (Override(select="*-musl*", skip="why"),)])),
        )
        for name in draw(st.permutations(NAMES))
    ]
    made = world(*recipes, offered=draw(st.lists(st.sampled_from(OFFERED), unique=True, max_size=4)))
    for name in NAMES:
        made.knows(
            name,
            *draw(st.sampled_from([("1.0",), ("1.0", "2.0")])),
            native=draw(st.booleans()),
            requires=tuple(draw(st.sets(st.sampled_from([*NAMES, "c<2", "setuptools"]), max_size=2))),
            requires_python=draw(st.sampled_from(["", ">=3.11", "<3"])),
        )
    return made


def tags(job: BuildJob) -> tuple[str, ...]:
    own, platform = job.target.interpreter, job.target.platform
    abi3 = () if job.target.abi.endswith("t") else (f"{own}-abi3-{platform}",)
    return (f"{own}-{job.target.abi}-{platform}", *abi3, "py3-none-any")


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(worlds(), st.data())
def test_planning_with_growing_facts_ends_and_forgets_no_target(grown: World, data: st.DataObject) -> None:
    wanted = {
        (name, version, str(environment.target))
        for name, version in grown.facts.sources
        for environment in grown.facts.environments
    }
    for _ in range(3 * len(wanted) + 1):
        plan = grown.plan()
        goals, later, out = (
            [(each.project, each.version, str(each.target)) for each in part]
            for part in (plan.goals, plan.later, plan.left_out)
        )
        assert all(len(set(part)) == len(part) for part in (goals, later, out))
        assert {*goals, *later, *out} >= wanted
        assert not {*goals, *later} & {*out}
        keys = [job.key for job in plan.jobs]
        assert len(set(keys)) == len(keys)
        for position, job in enumerate(plan.jobs):
            assert not isinstance(job, BuildJob) or set(job.needs.values()) <= set(keys[:position])
        unfinished = grown.jobs()
        if not unfinished:
            assert plan.complete
            assert plan == grown.plan()
            return
        job = data.draw(st.sampled_from(unfinished))
        if data.draw(st.integers(0, 4)) == 0:
            grown.failed(job)
        else:
            grown.succeeded(job, data.draw(st.sampled_from(tags(job))) if isinstance(job, BuildJob) else "")
    pytest.fail("there are more jobs than targets to serve")


def test_equal_facts_give_an_equal_plan_in_every_process() -> None:
    """Sets of texts have another order in each process; jobs are inserted, and so built, in the order of the plan."""
    script = """if True:
        from buildfarm.model.facts import Facts, KnownSource
        from buildfarm.model.job import SourcePin
        from buildfarm.model.recipe import Recipe
        from buildfarm.model.wheel import Artifact
        from buildfarm.plan.needs import ordered
        names = [f"lib{number}" for number in range(20)]
        pin = SourcePin(artifact=Artifact(name="", size=0, sha256=""), origin="", epoch=0)
        source = KnownSource(pin=pin, requires=tuple(names))
        facts = Facts(versions={"app": ("1",)}, sources={("app", "1"): source})
        recipes = tuple(Recipe(name=name) for name in ["app", *reversed(names)])
        print(*(recipe.name for recipe in ordered(recipes, facts)))
    """
    orders = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(2)
    }
    assert len(orders) == 1

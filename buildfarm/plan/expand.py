"""Request × facts → plan. Runs again whenever something was learnt; equal facts give an equal plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import groupby

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from buildfarm.model.facts import Facts, KnownSource, KnownWheel
from buildfarm.model.job import BuildJob, BuildRequest, Environment, Job, TestJob
from buildfarm.model.outcome import Reason
from buildfarm.model.plan import Goal, Later, LeftOut, Plan
from buildfarm.model.recipe import Recipe, Test
from buildfarm.model.wheel import Artifact, tags_of
from buildfarm.plan.resolve import Resolved, resolve
from buildfarm.plan.select import incapable, select


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One wanted target of one version, with the job that would build it there."""

    job: BuildJob
    resolved: Resolved
    environment: Environment
    source: KnownSource

    def later(self, after: str, reason: str) -> Later:
        return Later(
            project=self.job.project, version=self.job.version, target=self.job.target, after=after, reason=reason
        )

    def left_out(self, reason: str) -> LeftOut:
        return LeftOut(
            project=self.job.project, version=self.job.version, target=str(self.job.target), reason=reason
        )


Item = Job | Goal | Later | LeftOut


def expand(request: BuildRequest, facts: Facts) -> Plan:
    """The whole plan of a request, pure."""
    items: list[Item] = []
    goals: dict[tuple[str, str], list[Goal]] = {}
    for recipe in _ordered(request.recipes, facts):
        for item in _project(recipe, request, facts, goals):
            items.append(item)
            if isinstance(item, Goal):
                goals.setdefault((item.project, str(item.target)), []).append(item)
    jobs = {item.key: item for item in items if isinstance(item, (BuildJob, TestJob))}
    return Plan(
        jobs=tuple(jobs.values()),
        goals=tuple(item for item in items if isinstance(item, Goal)),
        later=tuple(item for item in items if isinstance(item, Later)),
        left_out=tuple(item for item in items if isinstance(item, LeftOut)),
    )


def _project(
    recipe: Recipe, request: BuildRequest, facts: Facts, goals: Mapping[tuple[str, str], list[Goal]]
) -> Iterator[Item]:
    versions = facts.versions.get(recipe.name, ())
    if isinstance(versions, Reason):
        yield LeftOut(project=recipe.name, version="", target="*", reason=_sentence(versions))
        return
    for version in versions:
        source = facts.sources.get((recipe.name, version))
        if isinstance(source, Reason):
            yield LeftOut(project=recipe.name, version=version, target="*", reason=_sentence(source))
        elif source is not None:
            yield from _version(recipe, version, source, request, facts, goals)


def _version(
    recipe: Recipe,
    version: str,
    source: KnownSource,
    request: BuildRequest,
    facts: Facts,
    goals: Mapping[tuple[str, str], list[Goal]],
) -> Iterator[Item]:
    wanted, unselected = select(recipe, request.targets, source.requires_python, facts.environments)
    for out in unselected:
        yield LeftOut(project=recipe.name, version=version, target=out.target, reason=out.reason)
    drafts: list[_Draft] = []
    for environment in wanted:
        resolved = resolve(recipe, version, environment.target)
        draft = _draft(recipe, version, source, environment, resolved, facts)
        if reason := incapable(resolved, environment):
            yield draft.left_out(reason)
            continue
        needs = _needs(draft, facts, goals)
        if isinstance(needs, dict):
            drafts.append(_with_needs(draft, needs))
        else:
            yield needs
    # A source without native code leads once for all platforms, one with native code once per platform.
    # The oldest interpreter leads: an abi3 wheel of it covers the newer ones.
    leads_for = (lambda draft: draft.job.target.platform) if source.native else (lambda _: "")
    drafts.sort(key=lambda draft: (leads_for(draft), draft.job.target.python, draft.job.target.abi))
    for _, group in groupby(drafts, key=leads_for):
        yield from _group(list(group), request, facts)


def _own_wheels(draft: _Draft, facts: Facts) -> bool:
    """Whether it is known that each target needs a wheel of its own: by the recipe, or from the last release."""
    if draft.resolved.part.wheel == "auto" and (last := facts.last.get(draft.job.project)):
        return all(tag.abi.startswith("cp") for tag in tags_of(last.artifact.name))
    return draft.resolved.part.wheel == "platform"


def _group(drafts: list[_Draft], request: BuildRequest, facts: Facts) -> Iterator[Item]:
    """Targets that one wheel might cover: a lead builds first, unless it is known that each needs its own."""
    lead = drafts[0]
    made = [(draft.job.key, facts.wheels[draft.job.key]) for draft in drafts if draft.job.key in facts.wheels]
    free = _own_wheels(lead, facts) or bool(made) or lead.job.key in facts.failed
    for draft in drafts:
        covering = _covering(draft, made)
        if covering:
            yield from _covered(draft, *covering, request=request, facts=facts)
        elif free or draft is lead:
            yield draft.job
            yield Goal(
                project=draft.job.project, version=draft.job.version, target=draft.job.target, build=draft.job.key
            )
            if draft.job.key not in facts.failed:
                yield draft.later(draft.job.key, "its test waits for the wheel")
        else:
            yield draft.later(lead.job.key, f"waits to see whether the wheel for {lead.job.target} covers it")


def _covering(draft: _Draft, made: Iterable[tuple[str, KnownWheel]]) -> tuple[str, KnownWheel] | None:
    """The wheel that serves a target: its own job's, else the first that covers it."""
    fits = [(key, wheel) for key, wheel in made if draft.job.target.covered_by(tags_of(wheel.artifact.name))]
    return next((fit for fit in fits if fit[0] == draft.job.key), fits[0] if fits else None)


def _covered(draft: _Draft, key: str, wheel: KnownWheel, *, request: BuildRequest, facts: Facts) -> Iterator[Item]:
    goal = partial(
        Goal,
        project=draft.job.project,
        version=draft.job.version,
        target=draft.job.target,
        build=key,
        wheel=wheel.artifact,
    )
    if key == draft.job.key:
        yield draft.job
    if draft.resolved.skip:
        yield goal(skip=draft.resolved.skip)
        return
    test = _test(draft, wheel.artifact, draft.resolved.tests, request, facts)
    yield test
    yield goal(test=test.key)


def _test(draft: _Draft, wheel: Artifact, tests: tuple[Test, ...], request: BuildRequest, facts: Facts) -> TestJob:
    return TestJob(
        project=draft.job.project,
        version=draft.job.version,
        target=draft.job.target,
        wheel=wheel,
        environment=draft.environment,
        tests=tests,
        index=request.index,
        source=draft.source.pin if any(test.sources for test in tests) else None,
        generation=facts.generation,
        limits=draft.resolved.limits,
    )


def _draft(
    recipe: Recipe, version: str, source: KnownSource, environment: Environment, resolved: Resolved, facts: Facts
) -> _Draft:
    job = BuildJob(
        project=recipe.name,
        version=version,
        target=environment.target,
        source=source.pin,
        environment=environment,
        part=resolved.part,
        tools=facts.tools,
        generation=facts.generation,
        limits=resolved.limits,
        native=source.native,
        cxx=source.cxx,
        requires=_build_requires(source, resolved),
        backend=source.backend,
        backend_path=source.backend_path,
        build_tag=_build_tag(facts.published.get((recipe.name, version), ()), environment),
        extensions=facts.last[recipe.name].extensions if recipe.name in facts.last else 0,
    )
    return _Draft(job=job, resolved=resolved, environment=environment, source=source)


def _build_requires(source: KnownSource, resolved: Resolved) -> tuple[str, ...]:
    """The static build requirements (PEP 518) after the recipe's edit, in order."""
    edit = resolved.part.build.requires
    removed = {canonicalize_name(name) for name in edit.remove}
    return (*(text for text in source.requires if _name(text) not in removed), *edit.add)


def _build_tag(published: Iterable[KnownWheel], environment: Environment) -> int:
    """1 + the highest build tag (PEP 427) among published wheels for the target; 0 where there is none."""
    builds = [
        (parse_wheel_filename(wheel.artifact.name)[2] or (0, ""))[0]
        for wheel in published
        if environment.target.covered_by(tags_of(wheel.artifact.name))
    ]
    return 1 + max(builds) if builds else 0


# ------------------------------------------------------------------------------- build requirements that are built here


def _ordered(recipes: tuple[Recipe, ...], facts: Facts) -> tuple[Recipe, ...]:
    """Recipes after those whose wheels they need to be built; where that is a circle, in the order given."""
    by_name = {recipe.name: recipe for recipe in recipes}
    graph = {recipe.name: _required(recipe, facts) & by_name.keys() - {recipe.name} for recipe in recipes}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:
        order = list(by_name)
    return tuple(by_name[name] for name in order)


def _required(recipe: Recipe, facts: Facts) -> set[str]:
    versions = facts.versions.get(recipe.name, ())
    if isinstance(versions, Reason):
        return set()
    sources = [facts.sources.get((recipe.name, version)) for version in versions]
    texts = [text for source in sources if isinstance(source, KnownSource) for text in source.requires]
    return {_name(text) for text in (*texts, *recipe.build.requires.add)}


def _needs(draft: _Draft, facts: Facts, goals: Mapping[tuple[str, str], list[Goal]]) -> dict[str, str] | Later | LeftOut:
    """Build requirements that this request builds too: their build keys once published, else what to wait for.

    Only projects that come earlier in the order count, so a circle falls back on what upstream has.
    """
    needs: dict[str, str] = {}
    for name in sorted({_name(text) for text in draft.job.requires}):
        for goal in goals.get((name, str(draft.job.target)), ())[:1]:
            if goal.build in facts.failed or goal.test in facts.failed:
                return draft.left_out(f"needs {name} {goal.version}, which failed in this request")
            published = facts.published.get((goal.project, goal.version), ())
            if goal.wheel is None or goal.wheel.sha256 not in {wheel.artifact.sha256 for wheel in published}:
                return draft.later(goal.test or goal.build, f"needs {name} {goal.version}, which this request builds")
            needs[name] = goal.build
    return needs


def _with_needs(draft: _Draft, needs: dict[str, str]) -> _Draft:
    if not needs:
        return draft
    return replace(draft, job=replace(draft.job, needs=needs))


def _name(requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return ""


def _sentence(reason: Reason) -> str:
    return f"{reason.message} {reason.advice}".strip()

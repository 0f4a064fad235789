"""Request × facts → plan. Runs again whenever something was learnt; equal facts give an equal plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from packaging.utils import canonicalize_name, parse_wheel_filename

from buildfarm.model.facts import Facts, KnownSource, KnownWheel
from buildfarm.model.job import BuildJob, BuildRequest, Environment, Job, TestJob
from buildfarm.model.outcome import Reason
from buildfarm.model.plan import Goal, Later, LeftOut, Plan
from buildfarm.model.recipe import Recipe, Test
from buildfarm.model.services import wanted
from buildfarm.model.wheel import Artifact, tags_of
from buildfarm.plan.choose import Candidate, candidate, choose, missed
from buildfarm.plan.ground import grounded, installed
from buildfarm.plan.needs import Earlier, later, left_out, name_of, needs, ordered
from buildfarm.plan.resolve import Resolved, resolve
from buildfarm.plan.select import select
from buildfarm.plan.uploads import uploaded


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """One wanted target of one version, with the job that would build it there."""

    job: BuildJob
    resolved: Resolved
    environment: Environment
    source: KnownSource


Item = Job | Goal | Later | LeftOut


def expand(request: BuildRequest, facts: Facts) -> Plan:
    """The whole plan of a request, pure."""
    items: list[Item] = []
    earlier: dict[str, list[Goal | Later]] = {}
    for recipe in ordered(request.recipes, facts):
        made = tuple(_project(recipe, request, facts, earlier))
        items += made
        earlier[recipe.name] = [item for item in made if isinstance(item, (Goal, Later))]
    for upload in request.uploads:
        items += uploaded(upload, request, facts)
    jobs = {item.key: item for item in items if isinstance(item, (BuildJob, TestJob))}
    return Plan(
        jobs=tuple(jobs.values()),
        goals=tuple(item for item in items if isinstance(item, Goal)),
        later=tuple(item for item in items if isinstance(item, Later)),
        left_out=tuple(item for item in items if isinstance(item, LeftOut)),
    )


def _project(recipe: Recipe, request: BuildRequest, facts: Facts, earlier: Earlier) -> Iterator[Item]:
    versions = facts.versions.get(recipe.name, ())
    if isinstance(versions, Reason):
        yield LeftOut(project=recipe.name, version="", target="*", reason=versions.sentence)
        return
    for version in versions:
        source = facts.sources.get((recipe.name, version))
        if isinstance(source, Reason):
            yield LeftOut(project=recipe.name, version=version, target="*", reason=source.sentence)
        elif source is not None:
            yield from _version(recipe, version, source, request, facts, earlier)


def _version(
    recipe: Recipe, version: str, source: KnownSource, request: BuildRequest, facts: Facts, earlier: Earlier
) -> Iterator[Item]:
    candidates = [_candidate(recipe, version, each, facts) for each in facts.environments]
    wanted, unselected = select(recipe, request.targets, source.requires_python, [it.environment for it in candidates])
    for out in unselected:
        yield LeftOut(project=recipe.name, version=version, target=out.target, reason=out.reason)
    chosen = tuple(choose(each for each in candidates if each.environment in wanted))
    for glob, reason in missed((*request.targets, *(f"*-{each}" for each in recipe.targets.platforms)), chosen):
        yield LeftOut(project=recipe.name, version=version, target=glob, reason=reason)
    drafts: list[_Draft] = []
    for each in chosen:
        if each.absent:
            continue
        draft = _draft(recipe, version, source, each.environment, each.resolved, facts)
        if each.reason:
            yield left_out(draft.job, each.reason)
            continue
        met = needs(draft.job, facts, earlier)
        if isinstance(met, dict):
            drafts.append(replace(draft, job=replace(draft.job, needs=met)))
        else:
            yield met
    # The oldest interpreter leads: an abi3 wheel of it covers the newer ones.
    drafts.sort(key=lambda draft: (_leads_for(draft), draft.job.target.python, draft.job.target.abi))
    for _, group in groupby(drafts, key=_leads_for):
        yield from _group(list(group), request, facts)


def _candidate(recipe: Recipe, version: str, offered: Environment, facts: Facts) -> Candidate:
    # Overrides are selected by the target as it is offered: a floor that their packages raise must not unselect them.
    resolved = resolve(recipe, version, offered.target)
    return candidate(offered, grounded(offered, resolved.part, facts), resolved, facts.servers)


def _leads_for(draft: _Draft) -> str:
    """A wheel for any platform leads once for all of them (empty), one with native code once per platform."""
    pure = not draft.source.native or draft.resolved.part.wheel == "pure"
    return "" if pure else draft.job.target.platform


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
                yield later(draft.job, draft.job.key, "its test waits for the wheel")
        else:
            yield later(draft.job, lead.job.key, f"waits to see whether the wheel for {lead.job.target} covers it")


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
    sources = any(test.sources for test in tests)
    images = {service.image for service in wanted(tests).values()}
    return TestJob(
        project=draft.job.project,
        version=draft.job.version,
        target=draft.job.target,
        wheel=wheel,
        environment=draft.environment,
        tests=tests,
        index=request.index,
        source=draft.source.pin if sources else None,
        patches=draft.resolved.part.patches if sources else (),
        services={name: draft.environment.services[name] for name in sorted(images)},
        generation=facts.generation,
        limits=draft.resolved.limits,
    )


def _draft(
    recipe: Recipe, version: str, source: KnownSource, environment: Environment, resolved: Resolved, facts: Facts
) -> _Draft:
    packages = installed(resolved.part.system, environment, facts)
    job = BuildJob(
        project=recipe.name,
        version=version,
        target=environment.target,
        source=source.pin,
        environment=environment,
        part=resolved.part,
        tools=facts.tools,
        generation=facts.generation,
        packages=packages if isinstance(packages, tuple) else (),
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
    return (*(text for text in source.requires if name_of(text) not in removed), *edit.add)


def _build_tag(published: Iterable[KnownWheel], environment: Environment) -> int:
    """1 + the highest build tag (PEP 427) among published wheels for the target; 0 where there is none."""
    builds = [
        (parse_wheel_filename(wheel.artifact.name)[2] or (0, ""))[0]
        for wheel in published
        if environment.target.covered_by(tags_of(wheel.artifact.name))
    ]
    return 1 + max(builds) if builds else 0

"""What tests a file that was uploaded: one job for each target on hand that it covers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildfarm.model.facts import Facts, KnownSource
from buildfarm.model.index import pending_of
from buildfarm.model.job import BuildRequest, Environment, TestJob, Upload
from buildfarm.model.plan import Goal, LeftOut
from buildfarm.model.recipe import AUTO_IMPORTS
from buildfarm.model.services import wanted
from buildfarm.model.target import Target
from buildfarm.model.wheel import tags_of
from buildfarm.plan.resolve import Resolved, resolve
from buildfarm.plan.select import unserved


def uploaded(upload: Upload, request: BuildRequest, facts: Facts) -> Iterator[TestJob | Goal | LeftOut]:
    """The tests of one upload, with their goals; where there is nothing to test it in, why."""
    out = partial(LeftOut, project=upload.recipe.name, version=upload.version)
    if not upload.artifact.name.endswith(".whl"):
        yield out(target="*", reason=f"an sdist waits for a wheel of {upload.version} on {request.index}: upload that")
        return
    environments = tuple(_fitting(upload, facts))
    if not environments:
        yield out(target="*", reason=f"nothing here is for {upload.artifact.name}; {_offered(facts)}")
    for environment in environments:
        resolved = resolve(upload.recipe, upload.version, environment.target)
        if absent := unserved(resolved, environment):
            yield out(target=str(environment.target), reason=absent)
            continue
        goal = Goal(
            project=upload.recipe.name,
            version=upload.version,
            target=environment.target,
            build="",
            wheel=upload.artifact,
            skip=resolved.skip,
        )
        if goal.skip:
            yield goal
            continue
        job = _test(upload, environment, resolved, request, facts)
        yield job
        yield replace(goal, test=job.key)


def _fitting(upload: Upload, facts: Facts) -> Iterator[Environment]:
    """One environment for each interpreter and machine, with a target that the wheel covers; best, one that isolates
    well.
    """
    tags, found = tags_of(upload.artifact.name), set()
    for each in sorted(facts.environments, key=lambda each: not each.image):
        promised = (each.target, replace(each.target, platform=each.runs or each.native or each.target.platform))
        target = next((target for target in promised if target.covered_by(tags)), None)
        if target is None or each.lacks or not _admitted(upload.requires_python, target):
            continue
        if (target.abi, target.arch) not in found:
            found.add((target.abi, target.arch))
            yield replace(each, target=target)


def _admitted(requires_python: str, target: Target) -> bool:
    try:
        return SpecifierSet(requires_python).contains("{}.{}.99".format(*target.python))
    except InvalidSpecifier:  # installers ignore it too
        return True


def _offered(facts: Facts) -> str:
    here = ", ".join(dict.fromkeys(str(each.target) for each in facts.environments if not each.lacks))
    lacks = dict.fromkeys(each.lacks for each in facts.environments if each.lacks and not each.image)
    return "; ".join([f"here are {here or 'no environments'}", *lacks])


def _test(upload: Upload, environment: Environment, resolved: Resolved, request: BuildRequest, facts: Facts) -> TestJob:
    """Tests that take files of a source need one that is pinned; without it the others say what there is to say."""
    known = facts.sources.get((upload.recipe.name, upload.version))
    pin = known.pin if isinstance(known, KnownSource) else None
    tests = tuple(each for each in resolved.tests if pin or not each.sources) or (AUTO_IMPORTS,)
    sources = any(each.sources for each in tests)
    images = {service.image for service in wanted(tests).values()}
    return TestJob(
        project=upload.recipe.name,
        version=upload.version,
        target=environment.target,
        wheel=upload.artifact,
        environment=environment,
        tests=tests,
        index=pending_of(request.index),
        source=pin if sources else None,
        patches=resolved.part.patches if sources else (),
        services={name: environment.services[name] for name in sorted(images)},
        generation=facts.generation,
        limits=resolved.limits,
    )

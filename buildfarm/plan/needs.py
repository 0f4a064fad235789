"""Build requirements that the same request builds: the order that follows from them, and when they are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.facts import Facts, KnownSource
from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Reason
from buildfarm.model.overlay import laid
from buildfarm.model.plan import Goal, Later, LeftOut
from buildfarm.model.recipe import Recipe
from buildfarm.model.wheel import tags_of

Earlier = Mapping[str, Sequence[Goal | Later]]
"""What the request comes to for each project that was looked at before."""


def ordered(recipes: tuple[Recipe, ...], facts: Facts) -> tuple[Recipe, ...]:
    """Recipes after those whose wheels their builds need; those in or behind a circle last, in the order given."""
    by_name = {recipe.name: recipe for recipe in recipes}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, recipe in by_name.items():
        sorter.add(name, *sorted(_required(recipe, facts) & by_name.keys() - {name}))
    with suppress(CycleError):
        sorter.prepare()
    order: dict[str, None] = {}
    while ready := sorter.get_ready():
        order |= dict.fromkeys(ready)
        sorter.done(*ready)
    return tuple(by_name[name] for name in order | dict.fromkeys(by_name))


def _required(recipe: Recipe, facts: Facts) -> set[str]:
    """Names of what the project's builds require, on whatever target."""
    versions = facts.versions.get(recipe.name, ())
    if isinstance(versions, Reason):
        return set()
    sources = [facts.sources.get((recipe.name, version)) for version in versions]
    static = {name_of(text) for source in sources if isinstance(source, KnownSource) for text in source.requires}
    builds = [recipe.build, *(laid({"build": recipe.build}, each)["build"] for each in recipe.overrides)]
    edits = [build.requires for build in builds]
    removed = set.intersection(*({canonicalize_name(name) for name in edit.remove} for edit in edits))
    return static - removed | {name_of(text) for edit in edits for text in edit.add}


def needs(job: BuildJob, facts: Facts, earlier: Earlier) -> dict[str, str] | Later | LeftOut:
    """Build requirements that this request builds too: their build keys once published, else what to wait for.

    Only projects that come earlier in the order count, so a circle falls back on what upstream has.
    """
    met: dict[str, str] = {}
    for name in sorted({name_of(text) for text in job.requires}):
        maker = _maker(name, job, earlier)
        if maker is None:
            continue
        needed = f"needs {name} {maker.version}, which"
        if isinstance(maker, Later):
            return later(job, maker.after, f"{needed} this request builds")
        if _withheld(maker, facts, earlier):
            return left_out(job, f"{needed} failed in this request")
        if not _published(maker, facts):
            return later(job, maker.test or maker.build, f"{needed} this request builds")
        met[name] = maker.build
    return met


def _maker(name: str, job: BuildJob, earlier: Earlier) -> Goal | Later | None:
    """What the request comes to for the newest version of a build requirement that the requirement admits."""
    if not earlier.get(name):
        return None
    specifiers = [Requirement(text).specifier for text in job.requires if name_of(text) == name]
    admitted = [
        item
        for item in earlier[name]
        if item.target == job.target
        and any(each.contains(item.version, prereleases=bool(each.prereleases)) for each in specifiers)
    ]
    return max(admitted, key=lambda item: (Version(item.version), isinstance(item, Goal)), default=None)


def _withheld(goal: Goal, facts: Facts, earlier: Earlier) -> bool:
    """Whether its wheel will not be published: it was not built, or failed its test on one of the targets it covers."""
    same = (each for each in earlier[goal.project] if isinstance(each, Goal) and each.build == goal.build)
    return any(not facts.failed.isdisjoint((each.build, each.test)) for each in same)


def _published(goal: Goal, facts: Facts) -> bool:
    """Whether the index has its wheel, or one that differs in nothing but the build tag."""
    made = facts.wheels.get(goal.build)
    return made is not None and any(
        each.content == made.content and tags_of(each.artifact.name) == tags_of(made.artifact.name)
        for each in facts.published.get((goal.project, goal.version), ())
    )


def later(job: BuildJob, after: str, reason: str) -> Later:
    """The job's target waits for another job."""
    return Later(project=job.project, version=job.version, target=job.target, after=after, reason=reason)


def left_out(job: BuildJob, reason: str) -> LeftOut:
    """The job's target is given up."""
    return LeftOut(project=job.project, version=job.version, target=str(job.target), reason=reason)


@lru_cache(maxsize=4096)
def name_of(requirement: str) -> str:
    """The normalised name (PEP 503) of the project that a requirement names; empty where it is none (PEP 508)."""
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return ""

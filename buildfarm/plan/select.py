"""Which targets are wanted, of those on offer, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildfarm.model.job import Environment
from buildfarm.model.recipe import MANAGERS, Recipe
from buildfarm.plan.resolve import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Unselected:
    """A target, or a glob that selects none of those on offer, with the reason."""

    target: str
    reason: str


def select(
    recipe: Recipe, globs: Iterable[str], requires_python: str, environments: Iterable[Environment]
) -> tuple[tuple[Environment, ...], tuple[Unselected, ...]]:
    """Environments whose targets are wanted, in order, and what falls out of what was asked for.

    A target that the caller's ``globs`` do not name is silently not wanted; everything else has a reason, and so has
    a request that comes to nothing.
    """
    globs = tuple(globs)
    offered = [each for each in environments if any(fnmatchcase(str(each.target), glob) for glob in globs)]
    chosen: list[Environment] = []
    here = f"here are {_listed(environments)}; `buildfarm doctor` says which interpreters it sees"
    out = [
        Unselected(target=glob, reason=f"no environment here offers such a target; {here}")
        for glob in globs
        if not any(fnmatchcase(str(each.target), glob) for each in environments)
    ]
    out += [
        Unselected(target=f"*-{glob}", reason=f"no environment here offers such a platform; {here}")
        for glob in recipe.targets.platforms
        if not any(fnmatchcase(each.target.platform, glob) for each in environments)
    ]
    for environment in offered:
        reason = _unwanted(recipe, requires_python, environment)
        if reason is None:
            chosen.append(environment)
        elif reason:
            out.append(Unselected(target=str(environment.target), reason=reason))
    if not chosen and not out:
        reason = f"the recipe wants only {', '.join(recipe.targets.platforms)}"
        out = [Unselected(target=glob, reason=reason) for glob in globs]
    return tuple(chosen), tuple(out)


def _listed(environments: Iterable[Environment]) -> str:
    """``cp311, cp312 for manylinux_2_17_x86_64``, or nothing."""
    abis: dict[str, list[str]] = {}
    for each in environments:
        abis.setdefault(each.target.platform, []).append(each.target.abi)
    return "; ".join(f"{', '.join(those)} for {platform}" for platform, those in abis.items()) or "none"


def incapable(resolved: Resolved, environment: Environment) -> str:
    """Why the environment cannot do what the recipe asks there, or empty."""
    if environment.lacks:
        return environment.lacks
    wants = resolved.part
    managers = [name for name in MANAGERS if getattr(wants.system, name)]
    if managers and not set(managers) & set(environment.system):
        none = "none: it takes a container, or a Debian with apt"
        offers = f"those of {', '.join(environment.system)}" if environment.system else none
        return f"needs system packages ({', '.join(managers)}); {environment.name} can install {offers}"
    if wants.build.compiler not in ("auto", *environment.compilers):
        offers = ", ".join(environment.compilers) or "no compiler"
        return f"wants compiler: {wants.build.compiler}; {environment.name} offers {offers}"
    if wants.repair.include:
        return "has repair.include, which this version of buildfarm does not carry out yet"
    services = sorted({name for test in resolved.tests for name in test.services})
    if services and not resolved.skip and not environment.services:
        named = ", ".join(services)
        return (
            f"its tests need the service {named}; {environment.name} runs none: it takes a container engine, which "
            "this version does not use yet. To build it now: "
            f'overrides: [{{select: "*", tests: {{skip: "needs {named}"}}}}]'
        )
    return ""


def _unwanted(recipe: Recipe, requires_python: str, environment: Environment) -> str | None:
    """None: wanted; empty: the recipe does not want it, which needs no word; else the reason."""
    python = "{}.{}".format(*environment.target.python)
    if recipe.targets.platforms and not any(
        fnmatchcase(environment.target.platform, glob) for glob in recipe.targets.platforms
    ):
        return ""
    if recipe.targets.python and not SpecifierSet(recipe.targets.python).contains(f"{python}.99"):
        return f"the recipe wants Python {recipe.targets.python}"
    try:
        admitted = SpecifierSet(requires_python)
    except InvalidSpecifier:  # installers ignore it too
        return None
    if not admitted.contains(f"{python}.99"):
        return f"the project requires Python {requires_python}"
    return None

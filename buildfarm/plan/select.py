"""Which targets are wanted, of those on offer, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildfarm.model.job import Environment
from buildfarm.model.recipe import MANAGERS, Recipe
from buildfarm.model.services import refusals, wanted
from buildfarm.model.target import names_python_2
from buildfarm.plan.equipment import CARGO, system_of
from buildfarm.plan.resolve import Resolved

Servers = Mapping[str, Collection[str]]
"""Names of the variables that images which serve take, by the name of the image (``Facts``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unselected:
    """A target, or a glob that selects none of those on offer, with the reason."""

    target: str
    reason: str


def select(
    recipe: Recipe, globs: Iterable[str], requires_python: str, environments: Iterable[Environment]
) -> tuple[tuple[Environment, ...], tuple[Unselected, ...]]:
    """Environments whose targets are wanted, in order, and what falls out of what was asked for.

    A target that the caller's ``globs`` do not name, or that the recipe itself rules out, is silently not wanted;
    everything else has a reason, and so has a request that comes to nothing.
    """
    globs, environments = tuple(globs), tuple(environments)
    offered = [each for each in environments if any(fnmatchcase(str(each.target), glob) for glob in globs)]
    chosen: list[Environment] = []
    here = f"here are {_listed(environments)}; `buildfarm doctor` says which interpreters it sees"
    met = [glob for glob in globs if any(fnmatchcase(str(each.target), glob) for each in environments)]
    out = [
        Unselected(target=glob, reason=f"no environment here offers such a target; {here}")
        for glob in globs
        if glob not in met
    ]
    out += [
        Unselected(target=f"*-{glob}", reason=f"no environment here offers such a platform; {here}")
        for glob in recipe.targets.platforms
        if not any(fnmatchcase(each.target.platform, glob) for each in environments)
    ]
    refused: list[Unselected] = []
    for environment in offered:
        reason = _unwanted(recipe, requires_python, environment)
        if reason is None:
            chosen.append(environment)
        elif reason and not is_absent(environment):
            refused.append(Unselected(target=str(environment.target), reason=reason))
    if not chosen and not refused:
        reason = f"{_restricted(recipe, requires_python)}; {here}"
        if all(_is_unnamed_python_2(recipe, each) for each in offered):
            reason = "wheels for Python 2 take a recipe that names it: targets: {python: '>=2.7,<3'}"
        refused = [Unselected(target=glob, reason=reason) for glob in met]
    return tuple(chosen), tuple(dict.fromkeys((*out, *refused)))  # several environments may be for one target


def is_absent(environment: Environment) -> bool:
    """Whether it takes an image, or an engine, that is not here."""
    return bool(environment.image and environment.lacks)


def _restricted(recipe: Recipe, requires_python: str) -> str:
    """What the recipe makes of the targets, and its project."""
    python = f"Python {recipe.targets.python}" if recipe.targets.python else ""
    wants = " for ".join(filter(None, (python, ", ".join(recipe.targets.platforms))))
    project = f"the project requires Python {requires_python}" if requires_python else ""
    return "; ".join(filter(None, (wants and f"the recipe wants only {wants}", project)))


def _listed(environments: Iterable[Environment]) -> str:
    """``cp311, cp312 for manylinux_2_17_x86_64``, or nothing."""
    abis: dict[str, dict[str, None]] = {}
    for each in environments:
        if not is_absent(each):
            abis.setdefault(each.target.platform, {})[each.target.abi] = None
    return "; ".join(f"{', '.join(those)} for {platform}" for platform, those in abis.items()) or "none"


def unfit(resolved: Resolved, environment: Environment, servers: Servers) -> str:
    """Why the environment cannot build what the recipe asks there, were it as complete as it can be; or empty.

    So nothing can whose tests declare services wrongly.
    """
    if not resolved.skip and (wrong := next(refusals(wanted(resolved.tests), servers), None)):
        return wrong.sentence
    wants = resolved.part
    managers = [name for name in MANAGERS if getattr(wants.system, name)]
    if managers and not set(managers) & set(environment.system):
        none = "none: it takes a container, or a Debian with apt"
        offers = f"those of {', '.join(environment.system)}" if environment.system else none
        return f"needs system packages ({', '.join(managers)}); {environment.name} can install {offers}"
    if wants.build.compiler not in ("auto", *environment.compilers):
        offers = ", ".join(environment.compilers) or "no compiler"
        return f"wants compiler: {wants.build.compiler}; {environment.name} offers {offers}"
    system = system_of(wants, environment)
    if system and wants.build.compiler == "zig":
        return f"wants compiler: zig, and the libraries of {environment.name} need the compiler that is there"
    if any(map(CARGO.fullmatch, system)):
        return (
            f"needs crates of Rust, which nothing brings into {environment.name}: "
            "it takes an interpreter of this machine, and apt"
        )
    return ""


def unserved(resolved: Resolved, environment: Environment) -> str:
    """Why its tests cannot run there, for want of an image or of services, and what would help; or empty."""
    if resolved.skip:
        return ""
    if environment.image and not environment.test_image:
        return f"images/{environment.image}.yaml names no image to test in (test: NAME), and has compilers itself"
    absent = sorted({service.image for service in wanted(resolved.tests).values()} - environment.services.keys())
    if not absent:
        return ""
    named = ", ".join(absent)
    make = f"`{' && '.join(f'buildfarm image build {name}' for name in absent)}`"
    takes = f"{make} makes it" if environment.image else f"it takes its programs, or a container engine and {make}"
    return (
        f"its tests need the service {named}, which {environment.name} does not have: {takes}. To build it without "
        f'them: overrides: [{{select: "*", tests: {{skip: "needs {named}"}}}}]'
    )


def _is_unnamed_python_2(recipe: Recipe, environment: Environment) -> bool:
    return environment.target.python < (3, 0) and not names_python_2(recipe.targets.python)


def _unwanted(recipe: Recipe, requires_python: str, environment: Environment) -> str | None:
    """None: wanted; empty: the recipe does not want it, which needs no word; else the reason."""
    python = "{}.{}".format(*environment.target.python)
    if recipe.targets.platforms and not any(
        fnmatchcase(environment.target.platform, glob) for glob in recipe.targets.platforms
    ):
        return ""
    if _is_unnamed_python_2(recipe, environment):
        return ""
    if recipe.targets.python and not SpecifierSet(recipe.targets.python).contains(f"{python}.99"):
        return ""
    try:
        admitted = SpecifierSet(requires_python)
    except InvalidSpecifier:  # installers ignore it too
        return None
    if not admitted.contains(f"{python}.99"):
        return f"the project requires Python {requires_python}"
    return None

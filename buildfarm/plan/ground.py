"""The floor of a target: what system packages and compilers do to it, and the words for that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from buildfarm.model.facts import Facts
from buildfarm.model.job import BuildJob, BuildPart, Environment
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import System
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target, manylinux
from buildfarm.plan.equipment import compiler_of, system_of


def installed(system: System, environment: Environment, facts: Facts) -> tuple[SystemPackage, ...] | Reason:
    """The exact packages that a build sees on a host; empty where it needs none, or can have none there.

    Those of an image are what its release has, and its definition says which release that is.
    """
    return facts.packages.get(system.apt, ()) if "apt" in environment.system and not environment.image else ()


def grounded(environment: Environment, part: BuildPart, facts: Facts) -> Environment:
    """The environment for the lowest floor that its builds of the recipe reach; it says so where it cannot be."""
    if not environment.image:
        return ground(environment, installed(part.system, environment, facts), facts)
    if compiler_of(part, environment) == "zig" or environment.target.platform == environment.native:
        return environment
    if not facts.floors:
        return replace(environment, lacks=_too_new(environment))
    return replace(environment, target=replace(environment.target, platform=environment.native))


def ground(environment: Environment, packages: tuple[SystemPackage, ...] | Reason, facts: Facts) -> Environment:
    """The environment for the lowest floor on which libraries of these packages run; it says so where it cannot be."""
    if isinstance(packages, Reason):
        return replace(environment, lacks=packages.sentence)
    floor = environment.target.floor
    neediest = max(packages, key=lambda each: each.floor, default=None)
    if floor is None or neediest is None or neediest.floor <= floor:
        return environment
    higher = next((each for each in facts.floors if each >= neediest.floor), None)
    if higher is None:
        return replace(environment, lacks=_too_old(neediest, floor))
    platform = manylinux(higher, environment.target.arch)
    return replace(environment, target=Target(abi=environment.target.abi, platform=platform))


def raised(job: BuildJob, offered: Iterable[Environment]) -> str:
    """What raised the floor of the job above that of its environment, as it was offered, and what would lower it; empty
    where nothing did.
    """
    environment = next((each for each in offered if each.fingerprint == job.environment.fingerprint), None)
    if environment is None or environment.target.platform == job.target.platform:
        return ""
    if environment.image:
        return _own(job)
    neediest = max(job.packages, key=lambda each: each.floor, default=None)
    return "{}: {} needs glibc {}.{}".format(job.target.platform, neediest.name, *neediest.floor) if neediest else ""


def reached(job: BuildJob, offered: Iterable[Environment]) -> str:
    """Which floor the job's target has, why, and what would lower it; empty where the source has no native code."""
    environment = job.environment
    if not job.native:
        return ""
    if higher := raised(job, offered):
        return higher
    if compiler_of(job.part, environment) == "zig":
        return f"{job.target.platform}: zig {'in' if environment.image else 'on'} {environment.name}"
    return _own(job)


def _own(job: BuildJob) -> str:
    environment = job.environment
    if system_of(job.part, environment):
        what, lower = "system packages", "an older image"
    else:
        what, lower = "the compiler", "compiler: zig" if "zig" in environment.compilers else "an older image"
    return f"{job.target.platform}: {what} of {environment.name} ({_libc(job.target)}); {lower} would lower it"


def _libc(target: Target) -> str:
    family = "musl" if target.platform.startswith("musllinux") else "glibc"
    return "{} {}.{}".format(family, *(target.floor or (0, 0)))


def _too_new(environment: Environment) -> str:
    need = _libc(replace(environment.target, platform=environment.native))
    return (
        f"libraries and compiler of {environment.name} are for {need}; this site's floor is "
        f"{_libc(environment.target)} (setting glibc). Raise it or leave it unset, or build in an older image"
    )


def _too_old(package: SystemPackage, floor: tuple[int, int]) -> str:
    need, site = ("{}.{}".format(*each) for each in (package.floor, floor))
    return (
        f"{package.name} {package.version} needs glibc {need}; this site's floor is {site} (setting glibc). "
        f'Set glibc: "{need}" or leave it unset, or build in a container whose packages are that old'
    )

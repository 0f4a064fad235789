"""What system packages do to a target: they raise its floor, or there is no way to have them there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from buildfarm.model.facts import Facts
from buildfarm.model.job import BuildJob, Environment
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import System
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target, manylinux


def installed(system: System, environment: Environment, facts: Facts) -> tuple[SystemPackage, ...] | Reason:
    """The exact packages that a build sees in the environment; empty where it needs none, or can have none there."""
    return facts.packages.get(system.apt, ()) if "apt" in environment.system else ()


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
    """Which library raised the floor of the job above that of its environment, as it was offered; empty where none."""
    floor = next((each.target.floor for each in offered if each.fingerprint == job.environment.fingerprint), None)
    neediest = max(job.packages, key=lambda each: each.floor, default=None)
    if floor is None or neediest is None or neediest.floor <= floor:
        return ""
    return "{}: {} needs glibc {}.{}".format(job.target.platform, neediest.name, *neediest.floor)


def _too_old(package: SystemPackage, floor: tuple[int, int]) -> str:
    need, site = ("{}.{}".format(*each) for each in (package.floor, floor))
    return (
        f"{package.name} {package.version} needs glibc {need}; this site's floor is {site} (setting glibc). "
        f'Set glibc: "{need}" or leave it unset, or build in a container whose packages are that old'
    )

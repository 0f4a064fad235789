"""Pin the system packages that the recipes of a request name: once, then kept, whatever the archive has later."""

from __future__ import annotations

from collections.abc import Mapping

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.canonical import digest
from buildfarm.model.errors import Unavailable
from buildfarm.model.facts import Facts
from buildfarm.model.job import BuildRequest, Environment, Lock
from buildfarm.model.outcome import Reason
from buildfarm.model.system import SystemPackage
from buildfarm.plan.resolve import resolve
from buildfarm.plan.select import unserved

Packages = Mapping[tuple[str, ...], tuple[SystemPackage, ...] | Reason]
Versions = Mapping[str, tuple[str, ...] | Reason]


def pin_packages(farm: Coordinator, request: BuildRequest, versions: Versions) -> Packages:
    """Every set of names that builds on a host may see → its exact packages; a reason where there are none.

    Empty where no host can have any: an image has its own. A recipe that a host cannot test anyway is not asked for.
    """
    hosts = [each for each in farm.environments() if "apt" in each.system and not each.image and not each.lacks]
    sets = {
        resolved.part.system.apt: environment
        for recipe in request.recipes
        for version in _exact(versions.get(recipe.name, ()))
        for environment in hosts
        if (resolved := resolve(recipe, version, environment.target)).part.system.apt
        and not unserved(resolved, environment)
    }
    return {names: _pinned(farm, names, sets[names]) for names in sorted(sets)}


def _exact(versions: tuple[str, ...] | Reason) -> tuple[str, ...]:
    return () if isinstance(versions, Reason) else versions


def _pinned(farm: Coordinator, names: tuple[str, ...], environment: Environment) -> tuple[SystemPackage, ...] | Reason:
    key = digest(
        {
            "v": 1,
            "manager": "apt",
            "names": sorted(names),
            "release": environment.release,
            "architecture": environment.target.arch,
            "generation": Facts().generation,
        }
    )
    kept = farm.locks.kept(key)
    if kept is None:
        try:
            kept = farm.locks.keep(key, Lock(packages=farm.packages.lock(names)))
        except Unavailable as unavailable:
            return unavailable.reason
    return kept.packages

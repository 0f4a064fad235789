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

Packages = Mapping[tuple[str, ...], tuple[SystemPackage, ...] | Reason]


def pin_packages(farm: Coordinator, request: BuildRequest) -> Packages:
    """Every set of names in the recipes → its exact packages; a reason where there are none.

    Empty where no environment can have any.
    """
    offering = next((each for each in farm.environments if "apt" in each.system), None)
    if offering is None:
        return {}
    own = (recipe.system for recipe in request.recipes)
    overriding = (override.system for recipe in request.recipes for override in recipe.overrides)
    sets = {system.apt for system in (*own, *overriding) if system and system.apt}
    return {names: _pinned(farm, names, offering) for names in sorted(sets)}


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

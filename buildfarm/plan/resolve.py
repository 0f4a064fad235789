"""Recipe × target → what holds for that target: overrides applied, conditions gone."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.specifiers import SpecifierSet

from buildfarm.model.job import BuildPart
from buildfarm.model.recipe import Limits, Recipe, Test
from buildfarm.model.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A recipe for one version and one target. ``skip`` is the reason for which its tests are left out, or empty."""

    part: BuildPart
    tests: tuple[Test, ...]
    limits: Limits
    skip: str = ""


def resolve(recipe: Recipe, version: str, target: Target) -> Resolved:
    """Apply the overrides whose glob selects the target, in order; of two that change the same part the later wins."""
    part = {name: getattr(recipe, name) for name in ("wheel", "system", "build", "repair", "verify")}
    tests, limits, skip = recipe.tests, recipe.limits, ""
    for override in recipe.overrides:
        if not fnmatchcase(str(target), override.select):
            continue
        part.update({name: value for name in part if (value := getattr(override, name)) is not None})
        if override.tests is not None:
            tests, skip = override.tests, ""
        limits = limits if override.limits is None else override.limits
        skip = skip if override.skip is None else override.skip
    patches = tuple(
        patch for patch in recipe.patches if SpecifierSet(patch.versions).contains(version, prereleases=True)
    )
    return Resolved(part=BuildPart(patches=patches, **part), tests=tests, limits=limits, skip=skip)

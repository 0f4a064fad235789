"""Recipe × target → what holds for that target: overrides applied, conditions gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from posixpath import basename

from packaging.specifiers import SpecifierSet

from buildfarm.model.job import BuildPart
from buildfarm.model.overlay import laid
from buildfarm.model.recipe import GitSource, Limits, Patch, Recipe, Test
from buildfarm.model.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A recipe for one version and one target. ``skip`` is the reason for which its tests are left out, or empty."""

    part: BuildPart
    tests: tuple[Test, ...]
    limits: Limits
    skip: str = ""


def resolve(recipe: Recipe, version: str, target: Target) -> Resolved:
    """Lay the overrides whose glob selects the target on the recipe, in order; of two that say the same the later
    wins.
    """
    parts = {name: getattr(recipe, name) for name in ("wheel", "system", "build", "repair", "verify", "limits")}
    tests, skip = recipe.tests, ""
    for override in recipe.overrides:
        if not fnmatchcase(str(target), override.select):
            continue
        parts = laid(parts, override)
        if override.tests is not None:
            tests, skip = override.tests, ""
        skip = skip if override.skip is None else override.skip
    if isinstance(recipe.source, GitSource):
        parts["build"] = replace(parts["build"], env={**_versioned(version), **parts["build"].env})
    patches = tuple(Patch(file=basename(patch.file), sha256=patch.sha256) for patch in patches_for(recipe, version))
    limits = parts.pop("limits")
    return Resolved(part=BuildPart(patches=patches, **parts), tests=tests, limits=limits, skip=skip)


def patches_for(recipe: Recipe, version: str) -> tuple[Patch, ...]:
    """The patches that are for the version, in order."""
    return tuple(patch for patch in recipe.patches if SpecifierSet(patch.versions).contains(version, prereleases=True))


def _versioned(version: str) -> dict[str, str]:
    """What tells a build its version where no ``.git`` can: to setuptools-scm and hatch-vcs, to pbr, and to PDM."""
    return dict.fromkeys(("SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION", "PDM_BUILD_SCM_VERSION"), version)

"""Patches of recipes: their bytes in the store, and what a source tells after them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from posixpath import basename

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.errors import StepFailed, Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Patch, Recipe
from buildfarm.model.wheel import Artifact
from buildfarm.plan.resolve import patches_for


def keep_patches(farm: Coordinator, recipe: Recipe) -> Recipe:
    """The recipe with the digests of its patches, whose bytes are then in the store; without, where one is not there.

    A patch that has one is left as it is: so it was when somebody asked for it.
    """
    patches = (patch if patch.sha256 else _kept(farm, patch) for patch in recipe.patches)
    return replace(recipe, patches=tuple(patches))


def _kept(farm: Coordinator, patch: Patch) -> Patch:
    try:
        return replace(patch, sha256=farm.sources.fetch(patch.file, basename(patch.file)).sha256)
    except Unavailable:  # said when it is looked up
        return patch


def stored(farm: Coordinator, patches: Iterable[Patch]) -> tuple[Artifact, ...]:
    """Patches in the store; raises ``Unavailable`` (code ``patch``) where one is not."""
    return tuple(_stored(farm, patch) for patch in patches)


def _stored(farm: Coordinator, patch: Patch) -> Artifact:
    if not patch.sha256 or not farm.store.has(patch.sha256):
        raise Unavailable(
            Reason(
                code="patch",
                message=f"the patch {patch.file} could not be read when it was asked for",
                advice="is it beside the recipe, under that name? Ask for the recipe again",
            )
        )
    with farm.store.open(patch.sha256) as content:
        return Artifact(name=basename(patch.file), size=content.seek(0, io.SEEK_END), sha256=patch.sha256)


def after_patches(farm: Coordinator, recipe: Recipe, version: str, known: KnownSource) -> KnownSource:
    """What the source tells after the recipe's patches, which may change its requirements; its pin is the same."""
    patches = stored(farm, patches_for(recipe, version))
    if not patches:
        return known
    try:
        return replace(farm.sources.look(known.pin.artifact, patches), pin=known.pin)
    except StepFailed:  # the build says it, with its log
        return known

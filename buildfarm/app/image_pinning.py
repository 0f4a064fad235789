"""Digests of images brought into their files: what the registry has under the tag now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from buildfarm.adapters.container import registry
from buildfarm.adapters.container.engine import Engine
from buildfarm.app.image_files import ImageFile
from buildfarm.app.rewriting import Rewrite
from buildfarm.model.errors import FarmError, RecipeError
from buildfarm.model.image import pinned
from buildfarm.recipe.edits import with_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """One file: its rewrite, and the reference before (empty: none) and after; whether it names no image to test in."""

    name: str
    rewrite: Rewrite
    before: str
    after: str
    untested: bool = False

    @property
    def sentence(self) -> str:
        """What happened, for a person, and what is still to do."""
        lacking = "no build runs in it until its file names an image to test in, one without compilers (test: NAME)"
        return f"{self._happened}; {lacking}" if self.untested else self._happened

    @property
    def _happened(self) -> str:
        if not self.before:
            return f"{self.name}: pinned to {self.after}"
        if self.rewrite.changes:
            return f"{self.name}: the tag has moved, from {self.before.rpartition('@')[2]} to {self.after}"
        return f"{self.name}: its tag still names {self.after}"


def pin(engine: Engine, files: Iterable[ImageFile], names: tuple[str, ...]) -> tuple[PinnedImage, ...]:
    """Ask for the digests of the images of those names, or of all that have a tag; no file is written here.

    Raises ``RecipeError`` for names that have no tag, ``FarmError`` with all that no registry could answer.
    """
    tagged = {each.image.name: each for each in files if each.image.tag}
    if unknown := [name for name in names if name not in tagged]:
        there = ", ".join(tagged) or "none"
        raise RecipeError(f"{', '.join(unknown)}: no image with a tag; those that have one: {there}")
    found, troubles = [], []
    for name in names or tagged:
        file = tagged[name]
        try:
            sha256 = registry.digest_of(engine, file.image.tag)
        except FarmError as error:
            troubles.append(f"{file.path}: {error}")
            continue
        after = pinned(file.image, sha256).reference
        text = file.text if after == file.image.reference else with_reference(file.text, after)
        rewrite = Rewrite(path=file.path, before=file.text, after=text)
        untested = bool(file.image.interpreters and file.image.platform and not file.image.test)
        found.append(
            PinnedImage(name=name, rewrite=rewrite, before=file.image.reference, after=after, untested=untested)
        )
    if troubles:
        raise FarmError("\n".join([*troubles, "nothing was written"]))
    return tuple(found)

"""The images of `images/*.yaml` on one engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from buildfarm.adapters.container import inventory, registry
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.environments import bring
from buildfarm.adapters.container.exports import Exports
from buildfarm.adapters.container.inventory import Held, familiar
from buildfarm.adapters.container.labels import DEFINITION
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image, defined
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Progress, Report

REPOSITORY = "buildfarm"
"""Of images that are made here, on an engine: ``buildfarm/NAME``, tagged with the start of the definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """``images`` by name, as the engine has them or can get them: from the store, where one was made and exported, or
    from the registry that its reference names.
    """

    engine: Engine
    images: Mapping[str, Image]
    exports: Exports
    report: Report

    def present(self, name: str) -> str | None:
        """The id to create containers from where the engine has just this definition of the image; else None."""
        return self._found(self.image(name), inventory.images(self.engine))

    def reachable(self) -> frozenset[str]:
        """Those that ``obtain`` can be expected to bring, by name; a registry is not asked."""
        held = inventory.images(self.engine)
        return frozenset(
            image.name
            for image in self.images.values()
            if image.reference or (image.making and (self._found(image, held) or self.exported(image.name)))
        )

    def exported(self, name: str) -> Artifact | None:
        """The file of the store that is just this definition of an image made here."""
        return self.exports.find(self.definition(name), self.engine.architecture)

    def obtain(self, name: str) -> str:
        """The id to create containers from, brought from the store or the registry where the engine lacks the image.

        Raises ``FarmError`` with the command that makes it, or whatever keeps it from coming.
        """
        if found := self.present(name):
            return found
        image = self.image(name)
        if image.making is None and not image.reference:
            raise FarmError(f"the image {name} has no digest yet: `buildfarm image pin {name}` writes it into its file")
        with locked(self.exports.lock(name)):
            if found := self.present(name):
                return found
            if image.reference:
                self._say(f"fetching {image.reference} …")
                return registry.pull(self.engine, image.reference)
            if artifact := self.exported(name):
                self._say(f"loading {name} from the store, {artifact.size / 1e6:.0f} MB …")
                self.exports.load(self.engine, artifact)
        if found := self.present(name):
            return found
        raise FarmError(f"the image {name} is not here; {bring(self.images, name)} brings it")

    def definition(self, name: str) -> str:
        """The definition with those of all that it is made of."""
        return defined(self.image(name), self.images)

    def tag(self, name: str) -> str:
        """What the engine calls this definition of an image that is made here."""
        return f"{REPOSITORY}/{name}:{self.definition(name)[:12]}"

    def image(self, name: str) -> Image:
        """The image of that name; raises ``FarmError`` that names those that are there."""
        if name not in self.images:
            near = get_close_matches(name, self.images, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "`buildfarm image list` names those that are"
            raise FarmError(f"there is no image {name!r}; {advice}")
        return self.images[name]

    def _found(self, image: Image, held: Mapping[str, Held]) -> str | None:
        found = held.get(self.tag(image.name) if image.making else familiar(image.reference))
        if found is None or (image.making and found.labels.get(DEFINITION) != self.definition(image.name)):
            return None
        return found.id

    def _say(self, message: str) -> None:
        self.report(Progress(job="", step="image", message=message))

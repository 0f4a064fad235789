"""Images of registries, asked for by the engine: so its mirrors, its certificates and its credentials count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from buildfarm.adapters.container import inventory
from buildfarm.adapters.container.engine import Engine, told
from buildfarm.model.errors import FarmError


def digest_of(engine: Engine, tag: str) -> str:
    """What ``REPOSITORY:TAG`` is now, 64 hex digits of the manifest's sha256. Raises ``FarmError``."""
    with told(f"ask the registry for {tag}"):
        said = engine.client.api.inspect_distribution(tag)  # type: ignore[no-untyped-call]
        return str(said["Descriptor"]["digest"]).removeprefix("sha256:")


def on_engine(engine: Engine, reference: str, labels: Mapping[str, str] | None = None) -> str | None:
    """The id of the image by that reference where the engine has it, with those labels."""
    held = inventory.images(engine).get(inventory.familiar(reference))
    return held.id if held and (labels or {}).items() <= held.labels.items() else None


def pull(engine: Engine, reference: str) -> str:
    """Fetch ``REPOSITORY@sha256:…``; the id to create containers from. Raises ``FarmError``."""
    repository, _, digest = reference.partition("@")
    with told(f"fetch {reference}"):
        heard(f"fetch {reference}", engine.client.api.pull(repository, tag=digest, stream=True, decode=True))
        return str(engine.client.images.get(reference).id)


def heard(what: str, said: Iterable[Mapping[str, object]]) -> None:
    """Hear an engine to its end, which answers well before it knows; what went wrong then is a ``FarmError``."""
    for each in said:
        if error := each.get("error"):
            raise FarmError(f"the container engine could not {what}: {error}")

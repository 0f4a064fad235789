"""Images of registries, asked for by the engine: so its mirrors, its certificates and its credentials count."""

from __future__ import annotations

from collections.abc import Mapping

from docker.errors import ImageNotFound

from buildfarm.adapters.container.engine import Engine, told


def digest_of(engine: Engine, tag: str) -> str:
    """What ``REPOSITORY:TAG`` is now, 64 hex digits of the manifest's sha256. Raises ``FarmError``."""
    with told(f"ask the registry for {tag}"):
        said = engine.client.api.inspect_distribution(tag)  # type: ignore[no-untyped-call]
        return str(said["Descriptor"]["digest"]).removeprefix("sha256:")


def on_engine(engine: Engine, reference: str, labels: Mapping[str, str] | None = None) -> str | None:
    """The id of the image by that reference where the engine has it, with those labels."""
    with told(f"look for {reference}"):
        try:
            image = engine.client.images.get(reference)
        except ImageNotFound:
            return None
    return str(image.id) if (labels or {}).items() <= image.labels.items() else None


def pull(engine: Engine, reference: str) -> str:
    """Fetch ``REPOSITORY@sha256:…``; the id to create containers from. Raises ``FarmError``."""
    repository, _, digest = reference.partition("@")
    with told(f"fetch {reference}"):
        return str(engine.client.images.pull(repository, tag=digest).id)

"""What an engine has, each asked in one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildfarm.adapters.container.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An image of an engine: the id to create containers from, and its labels."""

    id: str
    labels: Mapping[str, str]


def images(engine: Engine) -> Mapping[str, Held]:
    """All that it has, by ``REPOSITORY:TAG`` and by ``REPOSITORY@sha256:…``, as ``familiar`` writes them."""
    return {
        familiar(reference): Held(id=str(each["Id"]), labels=each.get("Labels") or {})
        for each in engine.ask("/images/json")
        for reference in (*(each.get("RepoTags") or ()), *(each.get("RepoDigests") or ()))
    }


def familiar(reference: str) -> str:
    """A reference without the registry that engines add where none is said."""
    for prefix in ("docker.io/", "library/", "localhost/"):
        reference = reference.removeprefix(prefix)
    return reference


def anything(engine: Engine, label: str) -> bool:
    """Whether it has any container, volume or network with that label (``name=value``)."""
    filters = {"label": [label]}
    return bool(
        engine.ask("/containers/json", filters, all="1")
        or engine.ask("/volumes", filters)["Volumes"]
        or engine.ask("/networks", filters)
    )

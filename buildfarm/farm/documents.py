"""Documentation of projects, put onto an index and taken off it, as users of devpi know it."""

from __future__ import annotations

from typing import IO

from packaging.utils import InvalidName, canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.filename import LONGEST
from buildfarm.farm.files import index_of, open_index
from buildfarm.farm.lay_out import lay_out, pages_of, unpack
from buildfarm.farm.publish import FILES, place_of
from buildfarm.farm.render import render
from buildfarm.model.errors import Refused, Unavailable
from buildfarm.model.events import DocsDeleted, DocsPublished
from buildfarm.pages.documents import folder_of, normal, sorted_versions, zip_of


def put(
    farm: Coordinator, index: str, project: str, version: str, content: IO[bytes], *, who: str = "", token: int = 0
) -> str:
    """Publish the documentation of a version, a zip that can be sought, in place of what was there; its address.

    Raises ``Refused`` with what is wrong with it (400; 403 where the index takes none, or the token that it came with
    has ended; 404 where there is no such index).
    """
    open_index(farm, index)
    name, number = _named(project, version)
    filename = zip_of(name, number)
    try:
        pages_of(filename, content)
    except Unavailable as error:
        raise Refused(error.reason.message) from error
    content.seek(0)
    with farm.rendering.lock(FILES, shared=True):
        artifact = farm.store.put(filename, content)
        unpack(farm, folder_of(index, name), number, artifact)
        farm.tree.link(place_of(index, artifact), artifact)  # for replicas, and whoever wants all of it
        farm.events.append(index, DocsPublished(project=name, version=number, artifact=artifact), who, token)
    lay_out(farm)
    render(farm)
    return f"/{folder_of(index, name)}/{number}/"


def drop(farm: Coordinator, index: str, project: str, version: str, who: str = "") -> None:
    """Remove the documentation of a version. Raises ``Refused`` (404) where there is none."""
    index_of(farm, index)
    name, number = _named(project, version)
    if number not in documented(farm, index, name):
        raise Refused(f"{index} has no documentation of {name} {number}", 404)
    farm.events.append(index, DocsDeleted(project=name, version=number), who)
    lay_out(farm)
    render(farm)


def documented(farm: Coordinator, index: str, project: str) -> tuple[str, ...]:
    """Versions of a project with documentation on the index itself, the newest first."""
    return sorted_versions(farm.tree.names(folder_of(index, project)))


def _named(project: str, version: str) -> tuple[str, str]:
    """The project's name and the version as addresses have them."""
    try:
        name = canonicalize_name(project, validate=True)
    except InvalidName as error:
        raise Refused(f"{project!r} is no name of a project") from error
    if not (number := normal(version)):
        raise Refused(f"{version!r} is no version (PEP 440)")
    if len(zip_of(name, number)) > LONGEST:
        raise Refused(f"{name} {number} is too long: its zip would have a name of more than {LONGEST} letters")
    return name, number

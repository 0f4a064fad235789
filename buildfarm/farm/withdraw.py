"""Files and projects that shall not be installed, or not yet again: yanked, marked, deleted. Each an event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import files_named, index_of, project_of
from buildfarm.farm.render import render
from buildfarm.model.errors import Refused
from buildfarm.model.events import FileDeleted, FileYanked, Payload, ProjectMarked, Status
from buildfarm.model.index import awaited

P = TypeVar("P", bound=Payload)


def yank(
    farm: Coordinator, operands: Iterable[str], *, index: str, reason: str, who: str = ""
) -> tuple[FileYanked, ...]:
    """Yank files of the index (PEP 592), by name or as ``NAME==VERSION``: installers take them only if they are pinned.

    Answers the events that are new. Raises ``Refused`` (404) for what the index does not have.
    """
    index_of(farm, index)
    files = files_named(farm, index, operands)
    events = (FileYanked(project=each.published.project, filename=each.name, reason=reason) for each in files)
    return _told(farm, index, events, who)


def unyank(farm: Coordinator, operands: Iterable[str], *, index: str, who: str = "") -> tuple[FileYanked, ...]:
    """Take yanks back; as ``yank``. A file that is not yanked stays as it is."""
    index_of(farm, index)
    files = (each for each in files_named(farm, index, operands) if each.yanked is not None)
    events = (FileYanked(project=each.published.project, filename=each.name, reason=None) for each in files)
    return _told(farm, index, events, who)


def mark(
    farm: Coordinator, projects: Iterable[str], *, index: str, status: Status, reason: str = "", who: str = ""
) -> tuple[ProjectMarked, ...]:
    """Give projects of the index another status (PEP 792); while one is quarantined, installers get no file of it.

    Answers the events that are new. Raises ``Refused`` (404) for projects of which the index has nothing itself.
    """
    index_of(farm, index)
    names = tuple(dict.fromkeys(canonicalize_name(each) for each in projects))
    absent = [name for name in names if not project_of(farm, index, name).files]
    if absent:
        raise Refused("\n".join(f"{index} has nothing of {name} of its own" for name in absent), 404)
    events = (ProjectMarked(project=name, status=status, reason=reason) for name in names)
    return _told(farm, index, events, who)


def delete(
    farm: Coordinator, operands: Iterable[str], *, index: str, reason: str = "", who: str = ""
) -> tuple[FileDeleted, ...]:
    """Delete files of the index, by name or as ``NAME==VERSION``; their bytes stay until they are collected.

    Only where files are volatile, or wait for their tests: raises ``Refused`` elsewhere, and for what is not there
    (404).
    """
    settings = index_of(farm, index)
    files = files_named(farm, index, operands)
    if not settings.volatile and not awaited(index):
        raise Refused(
            f"{index} is not volatile: what was published there stays. `buildfarm yank` keeps installers from taking "
            f"it; `buildfarm index set {index} --volatile` lets files be deleted"
        )
    deleted = []
    for file in files:
        published = file.published
        event = FileDeleted(
            project=published.project, filename=file.name, reason=reason, sha256=published.artifact.sha256
        )
        deleted += [event] if farm.events.append(file.index, event, who) else []
    render(farm)
    return tuple(deleted)


def _told(farm: Coordinator, index: str, events: Iterable[P], who: str) -> tuple[P, ...]:
    """Append the events and show them on the pages; those that are new."""
    new = tuple(event for event in events if farm.events.append(index, event, who))
    render(farm)
    return new

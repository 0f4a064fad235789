"""What the events of an index come to: projects with their files; and what an heir shows of several indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.events import (
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexEvent,
    NameGivenUp,
    ProjectMarked,
    Status,
)
from buildfarm.model.index import Index, IndexClass, awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the index that owns it, published by ``who``. ``yanked`` is the reason, which may be empty; None: it is
    not yanked (PEP 592).
    """

    index: str
    published: FilePublished
    yanked: str | None = None
    who: str = ""

    @property
    def name(self) -> str:
        """The file name."""
        return self.published.artifact.name

    @property
    def version(self) -> str:
        """The version, normalised where it is one (PEP 440)."""
        try:
            return str(Version(self.published.version))
        except ValueError:  # no version, or one with more digits than int() reads
            return self.published.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project: its normalised name (PEP 503), its files by version and then by name, its status (PEP 792) and the
    reason for that, and the serial of the last event that it is made of.
    """

    name: str
    files: tuple[File, ...] = ()
    status: Status = Status.ACTIVE
    reason: str = ""
    serial: int = 0

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions, oldest first."""
        return tuple(dict.fromkeys(file.version for file in self.files))

    @property
    def offered(self) -> tuple[File, ...]:
        """What installers may have of it: nothing while it is quarantined (PEP 792)."""
        return () if self.status is Status.QUARANTINED else self.files


def fold(events: Iterable[IndexEvent]) -> Mapping[str, Project]:
    """The projects that the events of one index come to, by normalised name.

    The serials say in which order the events happened, not the iterable; a project depends on its own events alone. A
    file stays until it is deleted, or replaced by one that says so. Of the yanks of a file the last one holds until it
    is gone, and one of a file that is not there means nothing.
    """
    projects = (_project(name, events) for name, events in _by_project(events))
    return {project.name: project for project in projects if project.files}


def held(events: Iterable[IndexEvent]) -> Mapping[str, Mapping[str, Project]]:
    """What each index holds itself, by its name and then by that of the project, from the events of all of them.

    A name is an index's own from the first file or mark on, also of a file that waits for the index, until it is given
    up. It is held, as a project without files, when there is none left: or it would be answered by others again.
    """
    told: defaultdict[str, list[IndexEvent]] = defaultdict(list)
    for event in events:
        told[event.index].append(event)
    found: dict[str, dict[str, Project]] = {index: dict(fold(its)) for index, its in told.items()}
    for index, its in told.items():
        for name, about in _by_project(its):
            if name in found[index] or _owned(about):
                found.setdefault(awaited(index) or index, {}).setdefault(name, Project(name=name))
    return found


def merged(name: str, layers: Iterable[tuple[Index, Project | None]]) -> Project:
    """What the first of the indexes shows of a project when it inherits from the others, in that order.

    Of files with one name the first counts. A mirror shows nothing of a project that an internal index among them
    holds, be it without files (nobody can slip in a version from outside), a quarantined project none of its files.
    """
    whole = tuple((index, project) for index, project in layers if project)
    own = any(index.kind is IndexClass.INTERNAL for index, _ in whole)
    seen = tuple(project for index, project in whole if not own or index.kind is IndexClass.INTERNAL)
    files: dict[str, File] = {}
    for project in seen:
        for file in project.offered:
            files.setdefault(file.name, file)
    marked = (each for each in seen if each.status not in (Status.ACTIVE, *((Status.QUARANTINED,) if files else ())))
    first = next(marked, Project(name=name))
    return Project(
        name=name,
        files=tuple(sorted(files.values(), key=_order)),
        status=first.status,
        reason=first.reason,
        serial=max((each.serial for each in seen), default=0),
    )


def _by_project(events: Iterable[IndexEvent]) -> Iterable[tuple[str, list[IndexEvent]]]:
    """The events of each project, in their order, by its normalised name."""
    told: defaultdict[str, list[IndexEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.serial):
        if event.payload.project:
            told[canonicalize_name(event.payload.project)].append(event)
    return sorted(told.items())


def _owned(events: Iterable[IndexEvent]) -> bool:
    """Whether the name of a project is the index's own after these events of it."""
    told = [event.payload for event in events if isinstance(event.payload, _OWNING)]
    return bool(told) and not isinstance(told[-1], NameGivenUp)


_OWNING = FilePublished | ProjectMarked | NameGivenUp


def _project(name: str, events: Iterable[IndexEvent]) -> Project:
    files: dict[str, File] = {}
    project = Project(name=name)
    for event in events:
        match event.payload:
            case FilePublished(artifact=artifact, replaces=replaces) as published:
                there = files.get(artifact.name)
                if there is None or there.published.artifact.sha256 == replaces:
                    files[artifact.name] = File(index=event.index, published=published, who=event.who)
            case FileYanked(filename=filename, reason=reason) if filename in files:
                files[filename] = replace(files[filename], yanked=reason)
            case FileDeleted(filename=filename):
                files.pop(filename, None)
            case ProjectMarked(status=status, reason=why):
                project = replace(project, status=status, reason=why)
        project = replace(project, serial=event.serial)
    return replace(project, files=tuple(sorted(files.values(), key=_order)))


def _order(file: File) -> tuple[bool, Version, str, str]:
    """By version, what is no version first, then by name."""
    try:
        return True, Version(file.version), file.version, file.name
    except ValueError:
        return False, Version("0"), file.version, file.name

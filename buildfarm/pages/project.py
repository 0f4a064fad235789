"""What the events of an index come to: projects with their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.events import FilePublished, FileYanked, IndexEvent, Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file on the index. ``yanked`` is the reason, which may be empty; None: it is not yanked (PEP 592)."""

    published: FilePublished
    yanked: str | None = None

    @property
    def version(self) -> str:
        """The version, normalised where it is one (PEP 440)."""
        try:
            return str(Version(self.published.version))
        except ValueError:  # no version, or one with more digits than int() reads
            return self.published.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of an index: its normalised name (PEP 503) and its files, by version and then by name."""

    name: str
    files: tuple[File, ...]

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions, oldest first."""
        return tuple(dict.fromkeys(file.version for file in self.files))


def fold(events: Iterable[IndexEvent]) -> Mapping[str, Project]:
    """The projects that the events of one index come to, by normalised name.

    The serials say in which order the events happened, not the iterable; a project depends on its own events alone. A
    file name is published once: the first one stays. Of the yanks of a file the last one holds, and one of a file that
    is not there means nothing.
    """
    told: defaultdict[str, list[Payload]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.serial):
        told[canonicalize_name(event.payload.project)].append(event.payload)
    projects = (_project(name, payloads) for name, payloads in sorted(told.items()))
    return {project.name: project for project in projects if project.files}


def _project(name: str, payloads: Iterable[Payload]) -> Project:
    published: dict[str, FilePublished] = {}
    yanks: dict[str, str | None] = {}
    for payload in payloads:
        match payload:
            case FilePublished(artifact=artifact):
                published.setdefault(artifact.name, payload)
            case FileYanked(filename=filename, reason=reason):
                yanks[filename] = reason
    files = (File(published=file, yanked=yanks.get(filename)) for filename, file in published.items())
    return Project(name=name, files=tuple(sorted(files, key=_order)))


def _order(file: File) -> tuple[bool, Version, str, str]:
    """By version, what is no version first, then by name."""
    name = file.published.artifact.name
    try:
        return True, Version(file.version), file.version, name
    except ValueError:
        return False, Version("0"), file.version, name

"""Events as people read them: what was done to what, by whom, when."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from buildfarm.model.events import (
    DocsDeleted,
    DocsPublished,
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexConfigured,
    IndexDeleted,
    IndexEvent,
    NameGivenUp,
    Origin,
    ProjectMarked,
    Status,
)
from buildfarm.model.index import Index

_CAME = {
    Origin.BUILT: "built",
    Origin.UPLOADED: "uploaded",
    Origin.ADMITTED: "admitted",
    Origin.PROMOTED: "promoted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An event: ``what`` was done to the ``subject``, a file or a project or nothing; ``note`` is where from or why."""

    event: IndexEvent
    what: str
    subject: str = ""
    version: str = ""
    note: str = ""

    @property
    def sentence(self) -> str:
        """All of it in one line, without who and when."""
        subject = self.subject or self.event.index
        where = f" on {self.event.index}" if self.subject else ""
        return f"{subject}: {self.what}{where}{f' ({self.note})' if self.note else ''}"


def source_of(published: FilePublished, readable: Container[str]) -> str:
    """Where a file came from, if whoever may read the indexes ``readable`` may know that; else empty."""
    hidden = published.origin is Origin.PROMOTED and published.source not in readable
    return "" if hidden else published.source


def change(event: IndexEvent, readable: Container[str]) -> Change:
    """The event in words, for whoever may read the indexes ``readable``."""
    match event.payload:
        case FilePublished(artifact=artifact, version=version, origin=origin, replaces=replaces) as published:
            what = "replaced" if replaces else _CAME[origin]
            source = source_of(published, readable)
            return Change(
                event=event,
                what=what,
                subject=artifact.name,
                version=version,
                note=f"from {source}" if source else "",
            )
        case FileYanked(filename=filename, reason=reason):
            what = "no longer yanked" if reason is None else "yanked"
            return Change(event=event, what=what, subject=filename, note=reason or "")
        case FileDeleted(filename=filename, reason=reason):
            return Change(event=event, what="deleted", subject=filename, note=reason)
        case ProjectMarked(project=project, status=status, reason=reason):
            what = "active again" if status is Status.ACTIVE else str(status)
            return Change(event=event, what=what, subject=project, note=reason)
        case NameGivenUp(project=project):
            return Change(event=event, what="name given up", subject=project)
        case DocsPublished(project=project, version=version):
            return Change(event=event, what="documentation published", subject=f"{project} {version}", version=version)
        case DocsDeleted(project=project, version=version):
            return Change(event=event, what="documentation deleted", subject=f"{project} {version}")
        case IndexConfigured(index=index):
            return Change(event=event, what="index configured", note=said(index))
        case IndexDeleted():
            return Change(event=event, what="index deleted")


def said(index: Index) -> str:
    """The settings of an index in a line, without its name and bases: those are said to whoever may read them."""
    words = (str(index.kind), "volatile" if index.volatile else "", "private" if index.private else "")
    return ", ".join(word for word in words if word)

"""Events as people read them: what was done to what, by whom, when."""

from __future__ import annotations

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


def change(event: IndexEvent) -> Change:
    """The event in words."""
    match event.payload:
        case FilePublished(artifact=artifact, version=version, origin=origin, source=source, replaces=replaces):
            what = "replaced" if replaces else _CAME[origin]
            return Change(
                event=event,
                what=what,
                subject=artifact.name,
                version=version,
                note=f"from {source}" if source else "",
            )
        case FileYanked(filename=filename, reason=None):
            return Change(event=event, what="no longer yanked", subject=filename)
        case FileYanked(filename=filename, reason=reason):
            return Change(event=event, what="yanked", subject=filename, note=reason or "")
        case FileDeleted(filename=filename, reason=reason):
            return Change(event=event, what="deleted", subject=filename, note=reason)
        case ProjectMarked(project=project, status=status, reason=reason):
            what = "active again" if status is Status.ACTIVE else str(status)
            return Change(event=event, what=what, subject=project, note=reason)
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

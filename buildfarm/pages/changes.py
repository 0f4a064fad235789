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
)
from buildfarm.model.index import Index


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


def source_of(published: FilePublished, readable: Container[str] | None) -> str:
    """Where a file came from, if whoever may read the indexes ``readable`` (None: every one) may know that; else
    empty.
    """
    hidden = published.origin is Origin.PROMOTED and readable is not None and published.source not in readable
    return "" if hidden else published.source


def change(event: IndexEvent, readable: Container[str] | None = None) -> Change:
    """The event in words, for whoever may read the indexes ``readable`` (None: every one)."""
    match event.payload:
        case FilePublished(artifact=artifact, version=version, origin=origin, replaces=replaces) as published:
            what = "replaced" if replaces else str(origin)
            note = f"from {source}" if (source := source_of(published, readable)) else ""
            return Change(event=event, what=what, subject=artifact.name, version=version, note=note)
        case FileYanked(filename=filename, reason=reason):
            what = "unyanked" if reason is None else "yanked"
            return Change(event=event, what=what, subject=filename, note=reason or "")
        case FileDeleted(filename=filename, reason=reason):
            return Change(event=event, what="deleted", subject=filename, note=reason)
        case ProjectMarked(project=project, status=status, reason=reason):
            return Change(event=event, what=str(status), subject=project, note=reason)
        case NameGivenUp(project=project):
            return Change(event=event, what="disowned", subject=project)
        case DocsPublished(project=project, version=version):
            return Change(event=event, what="documentation published", subject=f"{project} {version}", version=version)
        case DocsDeleted(project=project, version=version):
            return Change(event=event, what="documentation deleted", subject=f"{project} {version}")
        case IndexConfigured(index=index):
            return Change(event=event, what="configured", note=", ".join(traits(index)))
        case IndexDeleted():
            return Change(event=event, what="deleted")


def traits(index: Index) -> tuple[str, ...]:
    """What an index is like, in words, without its name and bases: those are said to whoever may read them."""
    words = (str(index.kind), "volatile" if index.volatile else "", "private" if index.private else "")
    return tuple(filter(None, words))

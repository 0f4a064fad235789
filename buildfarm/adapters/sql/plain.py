"""Model values in JSON columns, where one column holds one of several types: those carry their name."""

from __future__ import annotations

from typing import Any, cast

from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.events import (
    DocsDeleted,
    DocsPublished,
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexConfigured,
    IndexDeleted,
    NameGivenUp,
    Payload,
    ProjectMarked,
)
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildJob, Job, TestJob
from buildfarm.model.outcome import Built, Cancelled, Failed, HandedBack, Lost, Outcome, Reason, Tested, Wanting

_TYPES: dict[str, type] = {
    each.__name__: each
    for each in (
        *(Built, Tested, Failed, Wanting, HandedBack, Lost, Cancelled),
        *(FilePublished, FileYanked, FileDeleted, ProjectMarked, NameGivenUp, IndexConfigured, IndexDeleted),
        *(DocsPublished, DocsDeleted),
        *(KnownSource, Reason, BuildJob, TestJob),
    )
}


def tagged(value: Outcome | Payload | KnownSource | Reason | Job) -> dict[str, Any]:
    """The plain form with the type's name."""
    return {"is": type(value).__name__, **to_plain(value)}


def outcome(plain: dict[str, Any]) -> Outcome:
    """The outcome that was tagged."""
    return cast("Outcome", _untagged(plain))


def payload(plain: dict[str, Any]) -> Payload:
    """The event payload that was tagged."""
    return cast("Payload", _untagged(plain))


def source(plain: dict[str, Any]) -> KnownSource | Reason:
    """The source, or the reason for having none, that was tagged."""
    return cast("KnownSource | Reason", _untagged(plain))


def job(plain: dict[str, Any]) -> Job:
    """The job that was tagged."""
    return cast("Job", _untagged(plain))


def _untagged(plain: dict[str, Any]) -> object:
    return from_plain(_TYPES[plain["is"]], {name: value for name, value in plain.items() if name != "is"})

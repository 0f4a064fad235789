"""Index events: past-tense facts about one index, the sole input of its pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.index import Index
from buildfarm.model.wheel import Artifact, Verdict


class Origin(StrEnum):
    """How a distribution came onto an index."""

    BUILT = "built"
    UPLOADED = "uploaded"
    ADMITTED = "admitted"
    PROMOTED = "promoted"


class Status(StrEnum):
    """The status of a project (PEP 792)."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a test of a distribution said: for which build identifier, and, where it was skipped or not run, why."""

    target: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePublished:
    """A distribution came onto the index.

    ``metadata_sha256`` is of the core metadata file beside it (PEP 658, 714), empty where there is none; ``uploaded``
    is ISO 8601 UTC with a Z (PEP 700). ``source`` is the index or the URL that it came from, where it was promoted or
    admitted. ``replaces`` is the sha256 of the file of the same name that it takes the place of.
    """

    project: str
    version: str
    artifact: Artifact
    metadata_sha256: str
    uploaded: str
    requires_python: str = ""
    origin: Origin = Origin.BUILT
    source: str = ""
    tried: tuple[Tried, ...] = ()
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileYanked:
    """A file of the index was yanked (PEP 592), for this reason; ``reason`` None takes the yank back."""

    project: str
    filename: str
    reason: str | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDeleted:
    """A file is no longer on the index; its bytes stay until they are collected.

    ``sha256`` is of the bytes that are meant, for others may have taken their place; empty: whatever has the name.
    """

    project: str
    filename: str
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectMarked:
    """A project has another status from now on."""

    project: str
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameGivenUp:
    """The name of a project is the index's own no longer, once it has no file of it: others may answer for it."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfigured:
    """The index was made, or is like that from now on."""

    index: Index
    project: str = ""  # of none: it is about all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDeleted:
    """The index is no longer there; of what had been on it no page is left."""

    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocsPublished:
    """The documentation of a version is, from now on, what is in this zip. Pages of the simple API do not show it."""

    project: str
    version: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class DocsDeleted:
    """The documentation of a version is no longer on the index."""

    project: str
    version: str


Payload = (
    FilePublished
    | FileYanked
    | FileDeleted
    | ProjectMarked
    | NameGivenUp
    | IndexConfigured
    | IndexDeleted
    | DocsPublished
    | DocsDeleted
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEvent:
    """One event with its place in the order of all events, by whom it came to be, and when (seconds since 1970)."""

    serial: int
    index: str
    payload: Payload
    who: str = ""
    at: float = 0.0


UNTESTED = Tried(target="*", verdict=Verdict.NOT_RUN, reason="nobody tested it")


def unaccepted(index: Index, tried: Iterable[Tried]) -> str:
    """Why a file with these results may not be on the index; empty where it may. One with none was not tested."""
    for each in tuple(tried) or (UNTESTED,):
        if each.verdict not in index.accepts:
            takes = f"what was {' or '.join(index.accepts)}" if index.accepts else "nothing"
            test = "its test" if each.target == UNTESTED.target else f"the test for {each.target}"
            why = f": {each.reason}" if each.reason else ""
            return f"{index.name} takes {takes}; {test} was {each.verdict}{why}"
    return ""


def subject(payload: Payload) -> str:
    """What of a project an event is about: a file, or the documentation of a version; empty for all of it."""
    match payload:
        case FilePublished(artifact=artifact):
            return artifact.name
        case FileYanked(filename=filename) | FileDeleted(filename=filename):
            return filename
        case DocsPublished(version=version) | DocsDeleted(version=version):
            return f"+doc/{version}"
        case _:
            return ""

"""Index events: past-tense facts about one index, the sole input of its pages."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.model.wheel import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePublished:
    """A distribution came onto the index.

    ``metadata_sha256`` is of the core metadata file beside it (PEP 658, 714); ``uploaded`` is ISO 8601 UTC with a Z
    (PEP 700).
    """

    project: str
    version: str
    artifact: Artifact
    metadata_sha256: str
    uploaded: str
    requires_python: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileYanked:
    """A file of the index was yanked (PEP 592), for this reason; ``reason`` None takes the yank back."""

    project: str
    filename: str
    reason: str | None = ""


Payload = FilePublished | FileYanked


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEvent:
    """One event with its place in the order of all events."""

    serial: int
    index: str
    payload: Payload

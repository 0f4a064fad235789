from __future__ import annotations

import pytest

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
    Payload,
    ProjectMarked,
    Status,
)
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
from buildfarm.pages.changes import change

FILE = Artifact(name="demo-1.0-py3-none-any.whl", size=1, sha256="0" * 64)


def published(origin: Origin, source: str = "", replaces: str = "") -> FilePublished:
    return FilePublished(
        project="demo",
        version="1.0",
        artifact=FILE,
        metadata_sha256="",
        uploaded="2026-11-21T12:00:00Z",
        origin=origin,
        source=source,
        replaces=replaces,
    )


def sentence(payload: Payload, readable: tuple[str, ...] | None = None) -> str:
    return change(IndexEvent(serial=1, index="qa", payload=payload), readable).sentence


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (published(Origin.BUILT), f"{FILE.name}: built on qa"),
        (published(Origin.UPLOADED, replaces="1" * 64), f"{FILE.name}: replaced on qa"),
        (published(Origin.PROMOTED, "dev"), f"{FILE.name}: promoted on qa (from dev)"),
        (FileYanked(project="demo", filename=FILE.name, reason="bad"), f"{FILE.name}: yanked on qa (bad)"),
        (FileYanked(project="demo", filename=FILE.name, reason=None), f"{FILE.name}: unyanked on qa"),
        (FileDeleted(project="demo", filename=FILE.name), f"{FILE.name}: deleted on qa"),
        (ProjectMarked(project="demo", status=Status.QUARANTINED, reason="odd"), "demo: quarantined on qa (odd)"),
        (NameGivenUp(project="demo"), "demo: disowned on qa"),
        (DocsPublished(project="demo", version="1.0", artifact=FILE), "demo 1.0: documentation published on qa"),
        (DocsDeleted(project="demo", version="1.0"), "demo 1.0: documentation deleted on qa"),
        (
            IndexConfigured(index=Index(name="qa", kind=IndexClass.MIRROR, private=True)),
            "qa: configured (mirror, private)",
        ),
        (IndexDeleted(), "qa: deleted"),
    ],
)
def test_every_event_is_a_sentence(payload: Payload, words: str) -> None:
    assert sentence(payload) == words


def test_an_index_is_named_only_to_whoever_may_read_it() -> None:
    assert sentence(published(Origin.PROMOTED, "secret"), ("qa",)) == f"{FILE.name}: promoted on qa"
    assert "secret" in sentence(published(Origin.PROMOTED, "secret"), ("qa", "secret"))
    assert "https://old.example" in sentence(published(Origin.ADMITTED, "https://old.example"), ())

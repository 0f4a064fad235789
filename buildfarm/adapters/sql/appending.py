"""One event more: whether it says anything new, and what goes with it in the same transaction."""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Transaction
from buildfarm.adapters.sql.standing import refuse_on_replica
from buildfarm.model.errors import Refused
from buildfarm.model.events import FileDeleted, FilePublished, IndexConfigured, IndexDeleted, Payload, subject
from buildfarm.model.index import awaited, pending_of, settings

LIVING = ("wanted", "published")
"""States of a publication whose file is on its index, or on its way there."""

LIVE = t.publications.c.state.in_(LIVING)
"""That a publication has one of them."""


def of_file(index: str, file: str) -> ColumnElement[bool]:
    """That a publication is of a file of that name."""
    return (t.publications.c.index_name == index) & (t.publications.c.file == file)


def there(*of: ColumnElement[bool]) -> ColumnElement[bool]:
    """The events, of those for which that is so, that put the files there that are there: the last ones of each."""
    events = t.index_events.c
    moves = events.kind.in_(("FilePublished", "FileDeleted"))
    last = select(func.max(events.serial)).where(*of, moves).group_by(events.project, events.file)
    return events.serial.in_(last) & (events.kind == "FilePublished")


_INSERT = insert(t.index_events)
_OF_INDEX = (
    select(t.index_events.c.kind)
    .where(t.index_events.c.index_name == bindparam("index"), t.index_events.c.project == "")
    .order_by(t.index_events.c.serial.desc())
    .limit(1)
)
_OF_SUBJECT = (
    select(t.index_events.c.payload)
    .where(
        t.index_events.c.index_name == bindparam("index"),
        t.index_events.c.project == bindparam("of"),
        t.index_events.c.file == bindparam("subject"),
        t.index_events.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(t.index_events.c.serial.desc())
    .limit(1)
)


def refuse_deleted(tx: Transaction, index: str) -> None:
    """Raise ``Refused`` (404) for an index that was deleted, or that where files wait for one: nothing brings it back
    but who makes it anew.
    """
    if was_deleted(tx, index):
        raise Refused(f"the index {awaited(index) or index} was deleted", 404)


def was_deleted(tx: Transaction, index: str) -> bool:
    """Whether an index was deleted, or that where files wait for one."""
    return _last_settings(tx, awaited(index) or index) == "IndexDeleted"


def append(tx: Transaction, index: str, payload: Payload, who: str) -> bool:
    """See ``ports.Events``."""
    tx.in_turn("index_events")
    refuse_on_replica(tx)
    last = _last(tx, index, payload)
    if _says(last) == _says(plain.tagged(payload)):
        return False
    if isinstance(payload, FileDeleted) and payload.sha256 not in ("", _digest_of(last)):
        return False
    if not isinstance(payload, IndexConfigured | IndexDeleted | FilePublished):  # of which ``want`` has decided
        refuse_deleted(tx, index)
    if not isinstance(payload, IndexConfigured | IndexDeleted) and not _is_there(tx, index):
        _insert(tx, index, IndexConfigured(index=settings(index, {})), who)
    if isinstance(payload, FileDeleted):
        withdrawn = of_file(index, payload.filename) & LIVE
        if payload.sha256:
            withdrawn &= t.publications.c.wheel == payload.sha256
        tx.connection.execute(update(t.publications).where(withdrawn).values(state="withdrawn"))
    if isinstance(payload, IndexDeleted):
        _empty(tx, index, who)
        if _is_there(tx, pending_of(index)):
            append(tx, pending_of(index), payload, who)
    _insert(tx, index, payload, who)
    tx.points.append("event")
    return True


def _empty(tx: Transaction, index: str, who: str) -> None:
    """Delete all files of an index, withdraw what was to come onto it, and revoke its tokens."""
    events = t.index_events.c
    files = select(events.project, events.file).where(there(events.index_name == index))
    for project, file in tx.connection.execute(files).all():
        _insert(tx, index, FileDeleted(project=project, filename=file, reason=f"the index {index} was deleted"), who)
    left = t.publications.c.index_name.in_((index, pending_of(index))) & LIVE
    tx.connection.execute(update(t.publications).where(left).values(state="withdrawn"))
    live = (t.tokens.c.index_name == index) & t.tokens.c.revoked.is_(None)
    tx.connection.execute(update(t.tokens).where(live).values(revoked=tx.now))


def _insert(tx: Transaction, index: str, payload: Payload, who: str) -> None:
    written = plain.tagged(payload)
    row = {"index_name": index, "project": payload.project, "kind": written["is"], "file": subject(payload)}
    tx.connection.execute(_INSERT, {**row, "payload": written, "at": tx.now, "who": who})


_SAME = {
    # Of which kinds an event was the last that says whether another says something new: a file that was yanked since is
    # not published anew, one that was deleted since is; and its yank went with it.
    "FilePublished": ("FilePublished", "FileDeleted"),
    "FileDeleted": ("FilePublished", "FileDeleted"),
    "FileYanked": ("FileYanked", "FileDeleted"),
    "ProjectMarked": ("ProjectMarked",),
    "NameGivenUp": (),  # whoever gives one up has seen that it is owned again
    "IndexConfigured": ("IndexConfigured", "IndexDeleted"),
    "IndexDeleted": ("IndexConfigured", "IndexDeleted"),
    "DocsPublished": ("DocsPublished", "DocsDeleted"),
    "DocsDeleted": ("DocsPublished", "DocsDeleted"),
}


def _last(tx: Transaction, index: str, payload: Payload) -> dict[str, object]:
    """What was said last of the same; empty where nothing was."""
    kinds = _SAME[type(payload).__name__]
    same = {"index": index, "of": payload.project, "subject": subject(payload), "kinds": kinds}
    return tx.connection.execute(_OF_SUBJECT, same).scalar() or {}


def _digest_of(said: dict[str, object]) -> str:
    """Of which bytes an event says that they are there; empty where it says something else, or there is none."""
    payload = plain.payload(said) if said else None
    return payload.artifact.sha256 if isinstance(payload, FilePublished) else ""


def _is_there(tx: Transaction, index: str) -> bool:
    return _last_settings(tx, index) == "IndexConfigured"


def _last_settings(tx: Transaction, index: str) -> str | None:
    """The kind of the last event about the index itself."""
    return tx.connection.execute(_OF_INDEX, {"index": index}).scalar()


def _says(payload: dict[str, object]) -> dict[str, object]:
    """An event without its time: said twice after a kill, it is the same event."""
    return {name: value for name, value in payload.items() if name != "uploaded"}

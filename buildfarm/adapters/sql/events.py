"""Publications, index events and what is rendered, in SQL."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sqlalchemy import ColumnElement, Select, String, case, cast, func, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.adapters.sql.standing import refuse_on_replica
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.events import (
    FileDeleted,
    FilePublished,
    IndexConfigured,
    IndexDeleted,
    IndexEvent,
    Payload,
    subject,
)
from buildfarm.model.index import Index, settings
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.wheel import Artifact


class SqlEvents:
    """``ports.Events``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, publication: Publication) -> bool:
        """See ``ports.Events``."""
        with self._database.begin() as tx:
            named = _named(publication.index, publication.artifact.name)
            if publication.arrival.replaces:
                replaced = _LIVE & (t.publications.c.wheel == publication.arrival.replaces)
                tx.connection.execute(update(t.publications).where(named, replaced).values(state="withdrawn"))
            rows = tx.connection.execute(select(t.publications).where(named)).all()
            live = next((row for row in rows if row.state in _LIVING), None)
            settled = ("refused", "conflict") if live else ("refused",)
            if any(row.wheel == publication.artifact.sha256 and row.state in (*_LIVING, *settled) for row in rows):
                return False
            note = f"the index has it as sha256:{live.wheel}" if live else publication.note
            tx.connection.execute(
                insert(t.publications).values(
                    index_name=publication.index,
                    file=publication.artifact.name,
                    project=publication.project,
                    version=publication.version,
                    wheel=publication.artifact.sha256,
                    size=publication.artifact.size,
                    content=publication.content,
                    state="conflict" if live else "wanted",
                    note=note,
                    build=publication.build,
                    arrival=to_plain(publication.arrival),
                    at=tx.now,
                )
            )
            tx.points.append("want")
            return live is None

    def publications(
        self,
        index: str | None = None,
        states: frozenset[str] = frozenset(),
        projects: Collection[str] | None = None,
    ) -> tuple[Publication, ...]:
        """See ``ports.Events``."""
        query = select(t.publications).order_by(t.publications.c.id)
        if index is not None:
            query = query.where(t.publications.c.index_name == index)
        if states:
            query = query.where(t.publications.c.state.in_(states))
        if projects is not None:
            query = query.where(t.publications.c.project.in_(projects))
        with self._database.begin() as tx:
            return tuple(
                Publication(
                    index=row.index_name,
                    project=row.project,
                    version=row.version,
                    artifact=Artifact(name=row.file, size=row.size, sha256=row.wheel),
                    state=row.state,
                    note=row.note,
                    content=row.content,
                    build=row.build,
                    arrival=from_plain(Arrival, row.arrival),
                )
                for row in tx.connection.execute(query)
            )

    def append(self, index: str, payload: Payload, who: str = "") -> bool:
        """See ``ports.Events``."""
        with self._database.begin() as tx:
            return _append(tx, index, payload, who)

    def publish(self, publication: Publication, payload: FilePublished) -> bool:
        """See ``ports.Events``."""
        wanted = select(t.publications.c.id).where(_row(publication), t.publications.c.state == "wanted")
        with self._database.begin() as tx:
            if tx.connection.execute(wanted).first() is None:
                return False
            return _append(tx, publication.index, payload, publication.arrival.who)

    def events(self, index: str, project: str | None = None) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        query = select(t.index_events).where(t.index_events.c.index_name == index)
        return self._read(query if project is None else query.where(t.index_events.c.project == project))

    def of_project(self, project: str) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        return self._read(select(t.index_events).where(t.index_events.c.project == project))

    def since(self, serial: int) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        return self._read(select(t.index_events).where(t.index_events.c.serial > serial))

    def latest(self, indexes: Iterable[str], before: int | None, most: int) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        serial = t.index_events.c.serial
        of_them = select(serial).where(t.index_events.c.index_name.in_(tuple(indexes)))
        if before is not None:
            of_them = of_them.where(serial < before)
        last = of_them.order_by(serial.desc()).limit(most)
        return self._read(select(t.index_events).where(serial.in_(last)))[::-1]

    def indexes(self) -> Mapping[str, Index]:
        """See ``ports.Events``."""
        found: dict[str, Index] = {}
        events = t.index_events.c
        written = cast(events.payload, String).label("written")
        query = select(events.index_name, written).where(events.project == "").order_by(events.serial)
        with self._database.begin() as tx:
            rows = tx.connection.execute(query).all()
        for row in rows:
            match _payload(row.written):
                case IndexConfigured(index=index):
                    found[row.index_name] = index
                case IndexDeleted():
                    found.pop(row.index_name, None)
        return found

    def projects(self, index: str) -> frozenset[str]:
        """See ``ports.Events``."""
        kind = t.index_events.c.kind
        # A file that takes another's place is one, not two.
        came = (kind == "FilePublished") & t.index_events.c.payload["replaces"].as_string().is_(None)
        there = func.sum(case((came, 1), (kind == "FileDeleted", -1), else_=0)) > 0
        query = (
            select(t.index_events.c.project)
            .where(t.index_events.c.index_name == index, kind.in_(("FilePublished", "FileDeleted")))
            .group_by(t.index_events.c.project)
            .having(there)
        )
        with self._database.begin() as tx:
            return frozenset(tx.connection.execute(query).scalars())

    def _read(self, query: Select[tuple[object, ...]]) -> tuple[IndexEvent, ...]:
        with self._database.begin() as tx:
            return read_events(tx, query)

    def settle(self, publication: Publication, state: str, note: str = "") -> bool:
        """See ``ports.Events``."""
        wanted = _row(publication) & (t.publications.c.state == "wanted")
        with self._database.begin() as tx:
            done = tx.connection.execute(update(t.publications).where(wanted).values(state=state, note=note))
            tx.points.append(f"wanted->{state}")
            return bool(done.rowcount)

    def remark(self, publication: Publication, note: str) -> None:
        """See ``ports.Events``."""
        with self._database.begin() as tx:
            tx.connection.execute(update(t.publications).where(_row(publication), _LIVE).values(note=note))
            tx.points.append("remark")


class SqlRendering:
    """``ports.Rendering``. The lock holds among threads and, where there is a folder for it, among processes of one
    machine.
    """

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self._database = database
        self._folder = folder
        self._lock = threading.Lock()

    def position(self, what: str) -> int:
        """See ``ports.Rendering``."""
        with self._database.begin() as tx:
            return tx.connection.execute(select(t.positions.c.serial).where(t.positions.c.name == what)).scalar() or 0

    def advance(self, what: str, serial: int) -> None:
        """See ``ports.Rendering``."""
        one = t.positions.c.name == what
        with self._database.begin() as tx:
            if not tx.connection.execute(update(t.positions).where(one).values(serial=serial)).rowcount:
                tx.connection.execute(insert(t.positions).values(name=what, serial=serial))
            tx.points.append(what)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """See ``ports.Rendering``."""
        with self._lock:
            if self._folder is None:
                yield
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "render").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield


def read_events(tx: Transaction, query: Select[tuple[object, ...]]) -> tuple[IndexEvent, ...]:
    """The events that a query for rows of them finds, in the order of their serials."""
    return tuple(
        IndexEvent(serial=row.serial, index=row.index_name, payload=plain.payload(row.payload), who=row.who, at=row.at)
        for row in tx.connection.execute(query.order_by(t.index_events.c.serial))
    )


@lru_cache(maxsize=4096)
def _payload(written: str) -> Payload:
    """Reading hundreds of settings anew for each upload would take longer than all the rest of it."""
    return plain.payload(json.loads(written))


_LIVING = ("wanted", "published")
_LIVE = t.publications.c.state.in_(_LIVING)


def _named(index: str, file: str) -> ColumnElement[bool]:
    return (t.publications.c.index_name == index) & (t.publications.c.file == file)


def _row(publication: Publication) -> ColumnElement[bool]:
    return _named(publication.index, publication.artifact.name) & (
        t.publications.c.wheel == publication.artifact.sha256
    )


def _append(tx: Transaction, index: str, payload: Payload, who: str) -> bool:
    tx.in_turn("index_events")
    refuse_on_replica(tx)
    if _says(_last(tx, index, payload)) == _says(plain.tagged(payload)):
        return False
    if not isinstance(payload, IndexConfigured | IndexDeleted) and not _is_there(tx, index):
        _insert(tx, index, IndexConfigured(index=settings(index, {})), who)
    if isinstance(payload, FileDeleted):
        withdrawn = _named(index, payload.filename) & _LIVE
        tx.connection.execute(update(t.publications).where(withdrawn).values(state="withdrawn"))
    if isinstance(payload, IndexDeleted):
        left = (t.publications.c.index_name == index) & _LIVE
        tx.connection.execute(update(t.publications).where(left).values(state="withdrawn"))
        live = (t.tokens.c.index_name == index) & t.tokens.c.revoked.is_(None)
        tx.connection.execute(update(t.tokens).where(live).values(revoked=tx.now))
    _insert(tx, index, payload, who)
    tx.points.append("event")
    return True


def _insert(tx: Transaction, index: str, payload: Payload, who: str) -> None:
    written = plain.tagged(payload)
    tx.connection.execute(
        insert(t.index_events).values(
            index_name=index,
            project=payload.project,
            kind=written["is"],
            file=subject(payload),
            payload=written,
            at=tx.now,
            who=who,
        )
    )


_SAME = {
    # Of which kinds an event was the last that says whether another says something new: a file that was yanked since is
    # not published anew, one that was deleted since is; and its yank went with it.
    "FilePublished": ("FilePublished", "FileDeleted"),
    "FileDeleted": ("FilePublished", "FileDeleted"),
    "FileYanked": ("FileYanked", "FileDeleted"),
    "ProjectMarked": ("ProjectMarked",),
    "IndexConfigured": ("IndexConfigured", "IndexDeleted"),
    "IndexDeleted": ("IndexConfigured", "IndexDeleted"),
    "DocsPublished": ("DocsPublished", "DocsDeleted"),
    "DocsDeleted": ("DocsPublished", "DocsDeleted"),
}


def _last(tx: Transaction, index: str, payload: Payload) -> dict[str, object]:
    """What was said last of the same; empty where nothing was."""
    query = (
        select(t.index_events.c.payload)
        .where(
            t.index_events.c.index_name == index,
            t.index_events.c.project == payload.project,
            t.index_events.c.file == subject(payload),
            t.index_events.c.kind.in_(_SAME[type(payload).__name__]),
        )
        .order_by(t.index_events.c.serial.desc())
        .limit(1)
    )
    return tx.connection.execute(query).scalar() or {}


def _is_there(tx: Transaction, index: str) -> bool:
    events = t.index_events.c
    told = select(events.kind).where(events.index_name == index, events.project == "")
    return tx.connection.execute(told.order_by(events.serial.desc()).limit(1)).scalar() == "IndexConfigured"


def _says(payload: dict[str, object]) -> dict[str, object]:
    """An event without its time: said twice after a kill, it is the same event."""
    return {name: value for name, value in payload.items() if name != "uploaded"}

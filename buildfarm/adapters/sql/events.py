"""Publications, index events and what is rendered, in SQL."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Select, case, func, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.model.events import IndexConfigured, IndexDeleted, IndexEvent, Payload, subject
from buildfarm.model.index import Index, settings
from buildfarm.model.records import Publication
from buildfarm.model.wheel import Artifact


class SqlEvents:
    """``ports.Events``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, publication: Publication) -> bool:
        """See ``ports.Events``."""
        with self._database.begin() as tx:
            rows = tx.connection.execute(
                select(t.publications).where(
                    t.publications.c.index_name == publication.index,
                    t.publications.c.file == publication.artifact.name,
                )
            ).all()
            if any(row.wheel == publication.artifact.sha256 for row in rows):
                return False
            live = next((row for row in rows if row.state in ("wanted", "published")), None)
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
                    at=tx.now,
                )
            )
            tx.points.append("want")
            return live is None

    def publications(self, index: str | None = None, states: frozenset[str] = frozenset()) -> tuple[Publication, ...]:
        """See ``ports.Events``."""
        query = select(t.publications).order_by(t.publications.c.id)
        if index is not None:
            query = query.where(t.publications.c.index_name == index)
        if states:
            query = query.where(t.publications.c.state.in_(states))
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
                )
                for row in tx.connection.execute(query)
            )

    def append(self, index: str, payload: Payload, who: str = "") -> bool:
        """See ``ports.Events``."""
        written = plain.tagged(payload)
        with self._database.begin() as tx:
            tx.in_turn("index_events")
            if _says(_last(tx, index, payload)) == _says(written):
                return False
            if not isinstance(payload, IndexConfigured) and not tx.connection.execute(_configurations(index)).first():
                _insert(tx, index, IndexConfigured(index=settings(index, {})), who)
            _insert(tx, index, payload, who)
            tx.points.append("event")
            return True

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

    def indexes(self) -> Mapping[str, Index]:
        """See ``ports.Events``."""
        found: dict[str, Index] = {}
        for event in self._read(_configurations()):
            match event.payload:
                case IndexConfigured(index=index):
                    found[event.index] = index
                case IndexDeleted():
                    found.pop(event.index, None)
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
            return tuple(
                IndexEvent(
                    serial=row.serial,
                    index=row.index_name,
                    payload=plain.payload(row.payload),
                    who=row.who,
                    at=row.at,
                )
                for row in tx.connection.execute(query.order_by(t.index_events.c.serial))
            )

    def settle(self, publication: Publication, state: str, note: str = "") -> bool:
        """See ``ports.Events``."""
        before = "published" if state == "withdrawn" else "wanted"
        with self._database.begin() as tx:
            done = tx.connection.execute(
                update(t.publications)
                .where(
                    t.publications.c.index_name == publication.index,
                    t.publications.c.file == publication.artifact.name,
                    t.publications.c.wheel == publication.artifact.sha256,
                    t.publications.c.state == before,
                )
                .values(state=state, note=note)
            )
            tx.points.append(f"{before}->{state}")
            return bool(done.rowcount)


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


def _configurations(index: str | None = None) -> Select[tuple[object, ...]]:
    query = select(t.index_events).where(t.index_events.c.project == "")
    return query if index is None else query.where(t.index_events.c.index_name == index)


def _says(payload: dict[str, object]) -> dict[str, object]:
    """An event without its time: said twice after a kill, it is the same event."""
    return {name: value for name, value in payload.items() if name != "uploaded"}

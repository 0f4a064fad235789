"""Publications, index events and what is rendered, in SQL."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database
from buildfarm.model.events import FilePublished, IndexEvent, Payload
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

    def append(self, index: str, payload: Payload) -> bool:
        """See ``ports.Events``."""
        file = payload.artifact.name if isinstance(payload, FilePublished) else payload.filename
        written = plain.tagged(payload)
        # Only an event of its own kind can be said already: a file that was yanked since is not published anew.
        same = (
            t.index_events.c.index_name == index,
            t.index_events.c.file == file,
            t.index_events.c.kind == written["is"],
        )
        with self._database.begin() as tx:
            last = tx.connection.execute(
                select(t.index_events.c.payload).where(*same).order_by(t.index_events.c.serial.desc()).limit(1)
            ).scalar()
            if last is not None and _says(last) == _says(written):
                return False
            tx.connection.execute(
                insert(t.index_events).values(
                    index_name=index, project=payload.project, kind=written["is"], file=file, payload=written, at=tx.now
                )
            )
            tx.points.append("event")
            return True

    def events(self, index: str, project: str | None = None) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        query = select(t.index_events).where(t.index_events.c.index_name == index).order_by(t.index_events.c.serial)
        if project is not None:
            query = query.where(t.index_events.c.project == project)
        with self._database.begin() as tx:
            return tuple(
                IndexEvent(serial=row.serial, index=row.index_name, payload=plain.payload(row.payload))
                for row in tx.connection.execute(query)
            )

    def settle(self, publication: Publication, state: str, note: str = "") -> bool:
        """See ``ports.Events``."""
        with self._database.begin() as tx:
            done = tx.connection.execute(
                update(t.publications)
                .where(
                    t.publications.c.index_name == publication.index,
                    t.publications.c.file == publication.artifact.name,
                    t.publications.c.wheel == publication.artifact.sha256,
                    t.publications.c.state == "wanted",
                )
                .values(state=state, note=note)
            )
            tx.points.append(f"wanted->{state}")
            return bool(done.rowcount)


class SqlRendering:
    """``ports.Rendering``. The lock holds among threads and, where there is a folder for it, among processes of one
    machine.
    """

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self._database = database
        self._folder = folder
        self._locks: dict[str, threading.Lock] = {}

    def stale(self) -> tuple[tuple[str, str, int], ...]:
        """See ``ports.Rendering``."""
        last = (
            select(
                t.index_events.c.index_name, t.index_events.c.project, func.max(t.index_events.c.serial).label("serial")
            )
            .group_by(t.index_events.c.index_name, t.index_events.c.project)
            .subquery()
        )
        query = (
            select(last)
            .outerjoin(
                t.rendered,
                (t.rendered.c.index_name == last.c.index_name) & (t.rendered.c.project == last.c.project),
            )
            .where((t.rendered.c.serial.is_(None)) | (t.rendered.c.serial < last.c.serial))
        )
        with self._database.begin() as tx:
            return tuple((row.index_name, row.project, row.serial) for row in tx.connection.execute(query))

    def rendered(self, index: str, project: str, serial: int) -> None:
        """See ``ports.Rendering``."""
        pair = (t.rendered.c.index_name == index, t.rendered.c.project == project)
        with self._database.begin() as tx:
            if not tx.connection.execute(update(t.rendered).where(*pair).values(serial=serial)).rowcount:
                tx.connection.execute(insert(t.rendered).values(index_name=index, project=project, serial=serial))
            tx.points.append("rendered")

    @contextmanager
    def lock(self, index: str) -> Iterator[None]:
        """See ``ports.Rendering``."""
        with self._locks.setdefault(index, threading.Lock()):
            if self._folder is None:
                yield
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"render-{index.replace('/', '+')}").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield


def _says(payload: dict[str, object]) -> dict[str, object]:
    """An event without its time: said twice after a kill, it is the same event."""
    return {name: value for name, value in payload.items() if name != "uploaded"}

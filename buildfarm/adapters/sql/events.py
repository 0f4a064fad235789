"""Publications and index events, in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, bindparam, cast, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.appending import LIVE, LIVING, append, of_file, refuse_deleted, there, was_deleted
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.distribution import spelt_alike
from buildfarm.model.errors import Refused
from buildfarm.model.events import FilePublished, IndexConfigured, IndexDeleted, IndexEvent, Origin, Payload
from buildfarm.model.index import Index
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.wheel import Artifact

_OF_INDEX = t.index_events.c.index_name == bindparam("index")
_OF_PROJECT = t.index_events.c.project == bindparam("project")
EVENTS = select(t.index_events).order_by(t.index_events.c.serial)
_EVENTS_OF_INDEX, _EVENTS_OF_PROJECT = EVENTS.where(_OF_INDEX), EVENTS.where(_OF_PROJECT)
_EVENTS_OF_BOTH = EVENTS.where(_OF_INDEX, _OF_PROJECT)
EVENTS_SINCE = EVENTS.where(t.index_events.c.serial > bindparam("serial"))
_SETTINGS = (
    select(t.index_events.c.index_name, cast(t.index_events.c.payload, String).label("written"))
    .where(t.index_events.c.project == "")
    .order_by(t.index_events.c.serial)
)
_PROJECTS = select(t.index_events.c.project).distinct().where(there(_OF_INDEX))


class SqlEvents:
    """``ports.Events``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, publication: Publication) -> bool:
        """See ``ports.Events``."""
        with self._database.writing() as tx:
            _refuse_ended(tx, publication.arrival.token)
            if publication.arrival.origin is not Origin.BUILT:
                refuse_deleted(tx, publication.index)
            elif was_deleted(tx, publication.index):  # a build makes the index that nobody made, and no other
                return False
            named = of_file(publication.index, publication.artifact.name)
            if publication.arrival.replaces:
                replaced = LIVE & (t.publications.c.wheel == publication.arrival.replaces)
                tx.connection.execute(update(t.publications).where(named, replaced).values(state="withdrawn"))
            rows = tx.connection.execute(select(t.publications).where(named)).all()
            live = next((row for row in rows if row.state in LIVING), None)
            settled = ("refused", "conflict") if live else ("refused",)
            if any(row.wheel == publication.artifact.sha256 and row.state in (*LIVING, *settled) for row in rows):
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
        query = _publications(of_index=index is not None, in_states=bool(states), of_projects=projects is not None)
        wanted = {"index": index, "states": states, "projects": projects}
        with self._database.reading() as tx:
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
                for row in tx.connection.execute(query, wanted)
            )

    def append(self, index: str, payload: Payload, who: str = "", token: int = 0) -> bool:
        """See ``ports.Events``."""
        with self._database.writing() as tx:
            _refuse_ended(tx, token)
            return append(tx, index, payload, who)

    def publish(self, publication: Publication, payload: FilePublished) -> str:
        """See ``ports.Events``."""
        wanted = _row(publication) & (t.publications.c.state == "wanted")
        with self._database.writing() as tx:
            if tx.connection.execute(select(t.publications.c.id).where(wanted)).first() is None:
                return ""
            if twin := _other_spelling(tx, publication.index, payload):
                trouble = f"it is there already, spelt {twin}: of two spellings installers would take either"
                tx.connection.execute(update(t.publications).where(wanted).values(state="conflict", note=trouble))
                tx.points.append("wanted->conflict")
                return trouble
            append(tx, publication.index, payload, publication.arrival.who)
            return ""

    def events(self, index: str, project: str | None = None) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        if project is None:
            return self._read(_EVENTS_OF_INDEX, index=index)
        return self._read(_EVENTS_OF_BOTH, index=index, project=project)

    def of_project(self, project: str) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        return self._read(_EVENTS_OF_PROJECT, project=project)

    def since(self, serial: int) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        return self._read(EVENTS_SINCE, serial=serial)

    def latest(self, indexes: Iterable[str], before: int | None, most: int) -> tuple[IndexEvent, ...]:
        """See ``ports.Events``."""
        serial = t.index_events.c.serial
        of_them = select(serial).where(t.index_events.c.index_name.in_(tuple(indexes)))
        if before is not None:
            of_them = of_them.where(serial < before)
        last = of_them.order_by(serial.desc()).limit(most)
        return self._read(EVENTS.where(serial.in_(last)))[::-1]

    def indexes(self) -> Mapping[str, Index]:
        """See ``ports.Events``."""
        found: dict[str, Index] = {}
        with self._database.reading() as tx:
            rows = tx.connection.execute(_SETTINGS).all()
        for row in rows:
            match _payload(row.written):
                case IndexConfigured(index=index):
                    found[row.index_name] = index
                case IndexDeleted():
                    found.pop(row.index_name, None)
        return found

    def projects(self, index: str) -> frozenset[str]:
        """See ``ports.Events``."""
        with self._database.reading() as tx:
            return frozenset(tx.connection.execute(_PROJECTS, {"index": index}).scalars())

    def names(self, index: str) -> frozenset[str]:
        """See ``ports.Events``."""
        project = t.index_events.c.project
        query = select(project).where(t.index_events.c.index_name == index, project != "").distinct()
        with self._database.reading() as tx:
            return frozenset(tx.connection.execute(query).scalars())

    def _read(self, query: Select[Any], **wanted: object) -> tuple[IndexEvent, ...]:
        with self._database.reading() as tx:
            return read_events(tx, query, **wanted)

    def settle(self, publication: Publication, state: str, note: str = "") -> bool:
        """See ``ports.Events``."""
        wanted = _row(publication) & (t.publications.c.state == "wanted")
        with self._database.writing() as tx:
            done = tx.connection.execute(update(t.publications).where(wanted).values(state=state, note=note))
            tx.points.append(f"wanted->{state}")
            return bool(done.rowcount)

    def remark(self, publication: Publication, note: str) -> None:
        """See ``ports.Events``."""
        with self._database.writing() as tx:
            tx.connection.execute(update(t.publications).where(_row(publication), LIVE).values(note=note))
            tx.points.append("remark")


def read_events(tx: Transaction, query: Select[Any], **wanted: object) -> tuple[IndexEvent, ...]:
    """The events that a query finds, one of ``EVENTS``, with what it wants."""
    return tuple(
        IndexEvent(serial=row.serial, index=row.index_name, payload=plain.payload(row.payload), who=row.who, at=row.at)
        for row in tx.connection.execute(query, wanted)
    )


@cache
def _publications(*, of_index: bool, in_states: bool, of_projects: bool) -> Select[Any]:
    query = select(t.publications).order_by(t.publications.c.id)
    if of_index:
        query = query.where(t.publications.c.index_name == bindparam("index"))
    if in_states:
        query = query.where(t.publications.c.state.in_(bindparam("states", expanding=True)))
    if of_projects:
        query = query.where(t.publications.c.project.in_(bindparam("projects", expanding=True)))
    return query


@lru_cache(maxsize=4096)
def _payload(written: str) -> Payload:
    """Reading hundreds of settings anew for each upload would take longer than all the rest of it."""
    return plain.payload(json.loads(written))


def _row(publication: Publication) -> ColumnElement[bool]:
    return of_file(publication.index, publication.artifact.name) & (
        t.publications.c.wheel == publication.artifact.sha256
    )


def _other_spelling(tx: Transaction, index: str, payload: FilePublished) -> str:
    """The file of the index whose name means the same and is spelt otherwise; empty where there is none."""
    events, name = t.index_events.c, payload.artifact.name
    query = select(events.file).where(there(events.index_name == index, events.project == payload.project))
    files = tx.connection.execute(query).scalars()
    return next((file for file in files if file != name and spelt_alike(file, name)), "")


def _refuse_ended(tx: Transaction, token: int) -> None:
    """Raise ``Refused`` (403) for a token that came to its end after its bearer was let in."""
    ended = t.tokens.c.revoked.is_not(None) | (t.tokens.c.expires <= tx.now)
    if token and tx.connection.execute(select(t.tokens.c.id).where(t.tokens.c.id == token, ended)).first():
        raise Refused(f"token {token} was revoked or has expired meanwhile: ask for another", 403)

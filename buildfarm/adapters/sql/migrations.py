"""Numbered, forward-only migrations. One that was released is never edited: a change is a new number."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sqlalchemy import Connection, func, insert, inspect, select
from sqlalchemy.dialects import registry
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from buildfarm.adapters.sql import tables
from buildfarm.model.errors import FarmError


def _first(connection: Connection) -> None:
    """All tables of a new ledger, as they are today: the later steps are for older ones."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


@cache  # putting them together takes longer than running them, and many ledgers in memory are made in one process
def _statements(dialect: str) -> tuple[str, ...]:
    written = registry.load(dialect)()
    elements: list[ExecutableDDLElement] = []
    for table in tables.metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: index.name or "")
        elements += [CreateTable(table), *map(CreateIndex, indexes)]
    return (*(str(each.compile(dialect=written)) for each in elements), *tables.PARTIAL_INDEXES)


def _builds_of_publications(connection: Connection) -> None:
    """A publication names the job that made its wheel, so that provenance can be written beside it."""
    if "build" not in {column["name"] for column in inspect(connection).get_columns("publications")}:
        connection.exec_driver_sql("ALTER TABLE publications ADD COLUMN build VARCHAR DEFAULT '' NOT NULL")


def _inheritance(connection: Connection) -> None:
    """Events say who; what is rendered is one position in the order of all events; there are tokens."""
    if "who" not in {column["name"] for column in inspect(connection).get_columns("index_events")}:
        connection.exec_driver_sql("ALTER TABLE index_events ADD COLUMN who VARCHAR DEFAULT '' NOT NULL")
        connection.exec_driver_sql("CREATE INDEX events_of_project ON index_events (project)")
    connection.exec_driver_sql("DROP TABLE IF EXISTS rendered")
    for table in (tables.positions, tables.tokens):
        table.create(connection, checkfirst=True)
    events = tables.index_events
    for index in connection.execute(select(events.c.index_name).distinct()).scalars().all():
        payload = {"is": "IndexConfigured", "index": {"name": index}}
        written = {"index_name": index, "project": "", "kind": payload["is"], "file": "", "payload": payload}
        connection.execute(insert(events).values(**written, at=0.0))


def _replication(connection: Connection) -> None:
    """It is known which home writes, and how often another took over."""
    tables.epochs.create(connection, checkfirst=True)


def _arrivals(connection: Connection) -> None:
    """Publications say how a file comes onto an index, and are found by file and by state."""
    publications = tables.publications
    if "arrival" not in {column["name"] for column in inspect(connection).get_columns(publications.name)}:
        connection.exec_driver_sql("ALTER TABLE publications ADD COLUMN arrival JSON DEFAULT '{}' NOT NULL")
    for index in publications.indexes:
        index.create(connection, checkfirst=True)


MIGRATIONS: tuple[tuple[int, str, Callable[[Connection], None]], ...] = (
    (1, "the first ledger", _first),
    (2, "publications name their build", _builds_of_publications),
    (3, "indexes inherit, events say who, and there are tokens", _inheritance),
    (4, "which home writes", _replication),
    (5, "files arrive in several ways", _arrivals),
)
NEWEST = MIGRATIONS[-1][0]


def number_of(connection: Connection) -> int:
    """The number that a database is at; 0 for an empty one."""
    if not inspect(connection).has_table("migrations"):
        return 0
    return connection.execute(select(func.max(tables.migrations.c.number))).scalar() or 0


def migrate(connection: Connection, now: float) -> int:
    """Bring the database to the newest number, and answer it; raises ``FarmError`` for one from a newer buildfarm."""
    known, current = NEWEST, number_of(connection)
    if current > known:
        raise FarmError(f"the ledger is of version {current}, this buildfarm knows {known}: install a newer buildfarm")
    wanted = [each for each in MIGRATIONS if each[0] > current]
    for _, _, step in wanted if current else wanted[:1]:
        step(connection)
    if wanted:
        rows = [{"number": number, "name": name, "at": now} for number, name, _ in wanted]
        connection.execute(insert(tables.migrations), rows)
    return known

"""Numbered, forward-only migrations. One that was released is never edited: a change is a new number."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, insert, inspect, select

from buildfarm.adapters.sql import tables
from buildfarm.model.errors import FarmError


def _first(connection: Connection) -> None:
    """All tables of the first ledger."""
    tables.metadata.create_all(connection)
    for statement in tables.PARTIAL_INDEXES:
        connection.exec_driver_sql(statement)


def _builds_of_publications(connection: Connection) -> None:
    """A publication names the job that made its wheel, so that provenance can be written beside it."""
    if "build" not in {column["name"] for column in inspect(connection).get_columns("publications")}:
        connection.exec_driver_sql("ALTER TABLE publications ADD COLUMN build VARCHAR DEFAULT '' NOT NULL")


MIGRATIONS: tuple[tuple[int, str, Callable[[Connection], None]], ...] = (
    (1, "the first ledger", _first),
    (2, "publications name their build", _builds_of_publications),
)


def migrate(connection: Connection, now: float) -> int:
    """Bring the database to the newest number, and answer it; raises ``FarmError`` for one from a newer buildfarm."""
    known = MIGRATIONS[-1][0]
    current = 0
    if inspect(connection).has_table("migrations"):
        current = connection.execute(select(func.max(tables.migrations.c.number))).scalar() or 0
    if current > known:
        raise FarmError(f"the ledger is of version {current}, this buildfarm knows {known}: install a newer buildfarm")
    for number, name, step in MIGRATIONS:
        if number > current:
            step(connection)
            connection.execute(insert(tables.migrations).values(number=number, name=name, at=now))
    return known

"""One database: transactions, its clock, and the points at which a kill is tested."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.pool import StaticPool

from buildfarm.adapters.sql import migrations
from buildfarm.model.errors import FarmError

MEMORY = "sqlite://"
_NOW = "SELECT (julianday('now') - 2440587.5) * 86400.0"
_PATIENCE = 60.0  # seconds that one writer waits for another


def never_crash(_point: str) -> None:
    """What production does at a crash point."""


@dataclass
class Transaction:
    """An open transaction, and the names of what it is about to make true."""

    connection: Connection
    points: list[str] = field(default_factory=list)

    @cached_property
    def now(self) -> float:
        """When it is, for all that it writes."""
        asked = _NOW if self.connection.dialect.name == "sqlite" else "SELECT extract(epoch FROM clock_timestamp())"
        return float(self.connection.exec_driver_sql(asked).scalar_one())

    def in_turn(self, table: str) -> None:
        """Nobody else writes to the table until the commit: its serials are then in the order of the commits."""
        if self.connection.dialect.name != "sqlite":  # where every transaction is alone
            self.connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


class Database:
    """Transactions: those that only read wait for nobody, and nobody for them. Time is the database's own clock, in
    seconds since 1970. Whatever is asked raises ``FarmError`` where the database cannot be used: its disk is in
    trouble, or another writer does not end.
    """

    def __init__(self, url: str, crash: Callable[[str], None] = never_crash) -> None:
        """Connect and migrate; raises ``FarmError`` when the database cannot be used."""
        self._crash = crash
        # One connection in memory is one database: whoever uses it has it alone.
        self._alone = threading.RLock() if url == MEMORY else nullcontext()
        try:
            self._shown = str(make_url(url))  # without its password
            self._engine = _sqlite(url) if url.startswith("sqlite") else create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise FarmError(f"the ledger's URL cannot be used: {error}; it is like sqlite:///PATH") from error
        with self.reading() as tx:
            number = migrations.number_of(tx.connection)
        if number != migrations.NEWEST:
            with self.writing() as tx:
                migrations.migrate(tx.connection, tx.now)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that sees what was so when it first looked, and cannot write."""
        with self._begun(reads=True) as transaction:
            yield transaction

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that is the only one to write, at once or not at all; its points are passed just before and
        just after the commit.
        """
        with self._alone:
            with self._begun(reads=False) as transaction:
                yield transaction
                for point in transaction.points:
                    self._crash(f"{point}:before")
            for point in transaction.points:
                self._crash(f"{point}:after")

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @contextmanager
    def _begun(self, *, reads: bool) -> Iterator[Transaction]:
        try:
            with self._alone, self._engine.connect() as connection:
                if connection.dialect.name != "sqlite":
                    connection.execution_options(postgresql_readonly=reads)
                with connection.begin():
                    if connection.dialect.name == "sqlite":
                        _begin(connection, reads=reads)
                    yield Transaction(connection)
        except DatabaseError as error:
            if type(error) not in (DatabaseError, OperationalError):  # the others are faults of ours
                raise
            advice, cause = _explained(error)
            raise FarmError(f"the ledger {self._shown} cannot be used: {error.orig}; {advice}") from cause


def _sqlite(url: str) -> Engine:
    arguments = {"check_same_thread": False, "timeout": _PATIENCE}
    if url == MEMORY:
        engine = create_engine(url, connect_args=arguments, poolclass=StaticPool)
    else:
        engine = create_engine(url, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own implicit BEGIN comes too late and is not IMMEDIATE: two claims would both read, then one
        # fail.
        connection.isolation_level = None
        _log_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _begin(connection: Connection, *, reads: bool) -> None:
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    driver.execute(f"PRAGMA query_only={reads:d}")
    if reads:
        driver.execute("BEGIN")  # asks for nothing yet
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Write ahead. Of several that switch a new file over at once SQLite lets one do it, and makes no other wait."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _explained(error: DatabaseError) -> tuple[str, BaseException]:
    """What an operator is to do, and the cause: of a full disk, the system's own error, as everywhere else."""
    match getattr(error.orig, "sqlite_errorcode", 0) & 0xFF:  # without what extended codes add
        case sqlite3.SQLITE_FULL:
            return "make room on that disk", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case sqlite3.SQLITE_BUSY:
            return "something else has been writing to it all the time: end that, and do this again", error
        case _:
            return "look at its file and its disk", error

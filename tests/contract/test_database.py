"""Transactions of the ledger's database: who reads waits for nobody, and cannot write; what is in trouble says so."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from buildfarm.adapters.sql import database
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildRequest
from tests.contract.test_ledger import STORY, build

READS: tuple[Callable[[Ledger], object], ...] = (
    lambda it: it.requests.open_requests(),
    lambda it: it.requests.resolution(1),
    lambda it: it.jobs.rows(),
    lambda it: it.jobs.row(build().key),
    lambda it: it.jobs.inputs(build().key),
    lambda it: it.locks.pinned(["demo"]),
    lambda it: it.locks.kept("key"),
    lambda it: it.learning.wheels([build().key]),
    lambda it: it.learning.reports([build().key]),
    lambda it: it.learning.failed(1),
    lambda it: it.learning.last(["demo"]),
    lambda it: it.events.publications(),
    lambda it: it.events.events("main"),
    lambda it: it.events.of_project("demo"),
    lambda it: it.events.since(0),
    lambda it: it.events.latest(["main"], None, 10),
    lambda it: it.events.indexes(),
    lambda it: it.events.projects("main"),
    lambda it: it.rendering.position("pages"),
    lambda it: it.tokens.find("a" * 64) and True,  # the time is another one
    lambda it: it.tokens.all()[0],
    lambda it: it.replication.standing(),
    lambda it: it.replication.after(0, 10),
)


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.database.close()


def test_who_reads_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.0)
    file = tmp_path / "ledger.db"
    made = Ledger(f"sqlite:///{file}")
    for _, deed in STORY:
        deed(made)
    before = [read(made) for read in READS]
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        for table in reversed(t.metadata.sorted_tables):
            writer.execute(f"DELETE FROM {table}")
        opened = Ledger(f"sqlite:///{file}")
        for ledger in (made, opened):
            assert [read(ledger) for read in READS] == before
        with pytest.raises(FarmError, match="database is locked; something else has been writing to it all the time"):
            made.requests.submit(BuildRequest(recipes=(), owner="d"))
        opened.database.close()
    made.requests.submit(BuildRequest(recipes=(), owner="d"))
    made.database.close()


def test_who_reads_cannot_write(ledger: Ledger) -> None:
    row = insert(t.positions).values(name="pages", serial=7)
    with pytest.raises(FarmError, match="readonly"), ledger.database.reading() as tx:
        tx.connection.execute(row)
    assert ledger.rendering.position("pages") == 0
    with ledger.database.writing() as tx:
        tx.connection.execute(row)
    assert ledger.rendering.position("pages") == 7


def test_a_full_disk_is_told_as_one_and_changes_nothing(ledger: Ledger) -> None:
    with ledger.database.writing() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count=1")  # which is as many as there are now
    with pytest.raises(FarmError, match="is full; make room on that disk") as error:
        ledger.requests.submit(BuildRequest(recipes=(), targets=("x" * 1_000_000,)))
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.ENOSPC
    assert ledger.requests.open_requests() == ()

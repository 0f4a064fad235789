"""What the ledger remembers beside jobs: pins, locks, and what finished jobs told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import bindparam, insert, select

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.errors import RecipeError
from buildfarm.model.facts import KnownSource, KnownWheel
from buildfarm.model.job import Lock
from buildfarm.model.outcome import Built
from buildfarm.model.wheel import TestReport

_PINNED = select(t.pins).where(t.pins.c.project.in_(bindparam("names", expanding=True)))
_BUILT = select(t.jobs.c.key, t.jobs.c.outcome).where(
    t.jobs.c.state == "succeeded", t.jobs.c.key.in_(bindparam("keys", expanding=True))
)
_REPORTS = select(t.reports).where(t.reports.c.test_key.in_(bindparam("keys", expanding=True)))
_FAILED = (
    select(t.jobs.c.key)
    .join(t.request_jobs, t.request_jobs.c.job == t.jobs.c.id)
    .where(t.request_jobs.c.request == bindparam("request"), t.jobs.c.state.in_(("failed", "cancelled")))
)
_LEARNT = select(t.learnt).where(t.learnt.c.project.in_(bindparam("names", expanding=True)))


class SqlLocks:
    """``ports.Locks``: written once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pin(self, name: str, version: str, source: KnownSource) -> KnownSource:
        """See ``ports.Locks``."""
        artifact = source.pin.artifact
        with self._database.writing() as tx:
            first = tx.connection.execute(
                select(t.pins).where(t.pins.c.project == name, t.pins.c.version == version)
            ).one_or_none()
            if first is None:
                tx.connection.execute(
                    insert(t.pins).values(
                        project=name,
                        version=version,
                        file=artifact.name,
                        sha256=artifact.sha256,
                        source=to_plain(source),
                    )
                )
                tx.points.append("pin")
                return source
        if first.sha256 != artifact.sha256:
            raise RecipeError(
                f"{name} {version}: the sdist changed upstream: {first.file} was sha256:{first.sha256}, "
                f"{artifact.name} is sha256:{artifact.sha256}. Find out why; then name the one to build in the recipe: "
                f'`source: {{sdist: {{"{version}": "sha256:…"}}}}`.'
            )
        return from_plain(KnownSource, first.source)

    def pinned(self, names: Iterable[str]) -> Mapping[tuple[str, str], KnownSource]:
        """See ``ports.Locks``."""
        with self._database.reading() as tx:
            rows = tx.connection.execute(_PINNED, {"names": list(names)})
            return {(row.project, row.version): from_plain(KnownSource, row.source) for row in rows}

    def keep(self, key: str, lock: Lock) -> Lock:
        """See ``ports.Locks``."""
        with self._database.writing() as tx:
            first = tx.connection.execute(select(t.locks.c.text).where(t.locks.c.key == key)).scalar()
            if first is None:
                tx.connection.execute(insert(t.locks).values(key=key, text=to_plain(lock)))
                tx.points.append("lock")
                return lock
            return from_plain(Lock, first)

    def kept(self, key: str) -> Lock | None:
        """See ``ports.Locks``."""
        with self._database.reading() as tx:
            first = tx.connection.execute(select(t.locks.c.text).where(t.locks.c.key == key)).scalar()
        return None if first is None else from_plain(Lock, first)


class SqlLearning:
    """``ports.Learning``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wheels(self, keys: Iterable[str]) -> Mapping[str, KnownWheel]:
        """See ``ports.Learning``."""
        with self._database.reading() as tx:
            built = {
                row.key: plain.outcome(row.outcome)
                for some in _batches(keys)
                for row in tx.connection.execute(_BUILT, {"keys": some})
            }
        return {
            key: KnownWheel(artifact=each.wheel.artifact, content=each.wheel.content, extensions=each.wheel.extensions)
            for key, each in built.items()
            if isinstance(each, Built)
        }

    def reports(self, keys: Iterable[str]) -> Mapping[str, TestReport]:
        """See ``ports.Learning``."""
        with self._database.reading() as tx:
            return {
                row.test_key: from_plain(TestReport, row.report)
                for some in _batches(keys)
                for row in tx.connection.execute(_REPORTS, {"keys": some})
            }

    def failed(self, request: int) -> frozenset[str]:
        """See ``ports.Learning``."""
        with self._database.reading() as tx:
            return frozenset(tx.connection.execute(_FAILED, {"request": request}).scalars())

    def last(self, names: Iterable[str]) -> Mapping[str, KnownWheel]:
        """See ``ports.Learning``."""
        with self._database.reading() as tx:
            rows = tx.connection.execute(_LEARNT, {"names": list(names)})
            return {row.project: from_plain(KnownWheel, row.wheel) for row in rows}


def _batches(keys: Iterable[str], size: int = 10_000) -> Iterator[list[str]]:
    """The keys in lists that a statement can bind: SQLite takes 32,766 variables as it is usually built."""
    known = list(keys)
    return (known[start : start + size] for start in range(0, len(known), size))

"""Jobs in SQL, as the coordinator sees them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.arrows import move
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.model.job import BuildJob, BuildRequest, Input, Job
from buildfarm.model.outcome import Cancelled, Failed, Lost, Reason, Step
from buildfarm.model.records import JobRow
from buildfarm.model.wheel import Artifact

TRUSTED = "trusted"
MOST_TRIES = 3
_AGAIN = {"wishes": [], "granted": [], "tries": 0, "asked": 0, "outcome": None, "cancel": False}
LAST_ATTEMPT = (t.attempts.c.job == t.jobs.c.id) & (t.attempts.c.token == t.jobs.c.token)
"""That an attempt is the last one of its job."""

_ROWS = select(t.jobs, t.attempts.c.started, t.attempts.c.ended, t.attempts.c.worker).outerjoin(
    t.attempts, LAST_ATTEMPT
)
_ONE = (t.jobs.c.key == bindparam("of")) & (t.jobs.c.trust == TRUSTED)
_ROW = _ROWS.where(_ONE)
_KNOWN = select(t.jobs.c.id, t.jobs.c.state).where(_ONE)
_LAPSED = (
    select(t.jobs, t.attempts.c.worker, t.attempts.c.id.label("attempt"))
    .join(t.attempts, LAST_ATTEMPT)
    .where(t.jobs.c.state == "running")
    .where(
        (t.attempts.c.lease_until < bindparam("now"))
        | t.attempts.c.worker.startswith("local-") & t.attempts.c.worker.not_in(bindparam("live", expanding=True))
    )
)
_ATTACHED = select(t.request_jobs.c.job).where(
    t.request_jobs.c.request == bindparam("of"), t.request_jobs.c.job == bindparam("number")
)
_ATTACH, _INSERT, _NEED = insert(t.request_jobs), insert(t.jobs).returning(t.jobs.c.id), insert(t.job_needs)


class SqlJobs:
    """``ports.Jobs``. Every arrow is a compare-and-set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, request: BuildRequest, jobs: Iterable[Job]) -> int:
        """See ``ports.Jobs``."""
        made = 0
        with self._database.writing() as tx:
            for job in jobs:
                known = tx.connection.execute(_KNOWN, {"of": job.key}).one_or_none()
                number = known.id if known else _insert(tx, job)
                attached = _attach(tx, request.id, number)
                made += attached
                if known and attached and known.state in ("failed", "cancelled") and request.urgency != "nightly":
                    # What is in no key (limits, the build tag) is as it is now, not as it was when the job failed.
                    again = {**_AGAIN, "spec": plain.tagged(job), "lane": job.environment.lane}
                    move(tx, number, known.state, "pending", request.owner, "asked for again", **again)
        return made

    def rows(self, request: int | None = None, states: frozenset[str] = frozenset()) -> tuple[JobRow, ...]:
        """See ``ports.Jobs``."""
        query = _rows(of_request=request is not None, in_states=bool(states))
        with self._database.reading() as tx:
            return tuple(_row(row) for row in tx.connection.execute(query, {"request": request, "states": states}))

    def row(self, key: str) -> JobRow | None:
        """See ``ports.Jobs``."""
        with self._database.reading() as tx:
            found = tx.connection.execute(_ROW, {"of": key}).one_or_none()
        return _row(found) if found else None

    def inputs(self, key: str) -> tuple[Input, ...]:
        """See ``ports.Jobs``."""
        with self._database.reading() as tx:
            return read_inputs(tx, _number(tx, key))

    def prepared(self, key: str, inputs: Iterable[Input], granted: Iterable[str]) -> bool:
        """See ``ports.Jobs``."""
        with self._database.writing() as tx:
            number = _number(tx, key)
            if not move(tx, number, "pending", "queued", "coordinator", granted=list(granted)):
                return False
            tx.connection.execute(delete(t.job_inputs).where(t.job_inputs.c.job == number))
            for position, each in enumerate(inputs):
                tx.connection.execute(
                    insert(t.job_inputs).values(
                        job=number,
                        position=position,
                        role=each.role,
                        sha256=each.artifact.sha256,
                        name=each.artifact.name,
                        size=each.artifact.size,
                    )
                )
        return True

    def unprepared(self, key: str, reason: Reason) -> bool:
        """See ``ports.Jobs``."""
        failed = plain.tagged(Failed(step=Step.PREPARE, reason=reason))
        with self._database.writing() as tx:
            return move(tx, _number(tx, key), "pending", "failed", "coordinator", reason.message, outcome=failed)

    def cancel(self, key: str, who: str) -> bool:
        """See ``ports.Jobs``."""
        cancelled = plain.tagged(Cancelled())
        with self._database.writing() as tx:
            number = _number(tx, key)
            if any(move(tx, number, before, "cancelled", who, outcome=cancelled) for before in ("pending", "queued")):
                return True
            told = tx.connection.execute(
                update(t.jobs).where(t.jobs.c.id == number, t.jobs.c.state == "running").values(cancel=True)
            )
            return bool(told.rowcount)

    def reap(self, live: frozenset[str]) -> int:
        """See ``ports.Jobs``."""
        with self._database.writing() as tx:
            lapsed = tx.connection.execute(_LAPSED, {"now": tx.now, "live": live}).all()
            return sum(lose(tx, row, f"{row.worker} is gone") for row in lapsed)


@cache
def _rows(*, of_request: bool, in_states: bool) -> Select[Any]:
    query = _ROWS.order_by(t.jobs.c.id)
    if of_request:
        query = query.join(t.request_jobs, t.request_jobs.c.job == t.jobs.c.id)
        query = query.where(t.request_jobs.c.request == bindparam("request"))
    return query.where(t.jobs.c.state.in_(bindparam("states", expanding=True))) if in_states else query


def read_inputs(tx: Transaction, job: int) -> tuple[Input, ...]:
    """The inputs of a job, in order."""
    rows = tx.connection.execute(
        select(t.job_inputs).where(t.job_inputs.c.job == job).order_by(t.job_inputs.c.position)
    )
    return tuple(
        Input(role=row.role, artifact=Artifact(name=row.name, size=row.size, sha256=row.sha256)) for row in rows
    )


def lose(tx: Transaction, row: Row[Any], message: str) -> bool:
    """running → queued, or failed(infra) when the job was lost too often. ``row`` is of jobs with its attempt's
    number.
    """
    lost = plain.tagged(Lost(message=message))
    tx.connection.execute(t.attempts.update().where(t.attempts.c.id == row.attempt).values(ended=tx.now, outcome=lost))
    if row.cancel:
        return move(tx, row.id, "running", "cancelled", "coordinator", message, outcome=plain.tagged(Cancelled()))
    if row.tries < MOST_TRIES:
        return move(tx, row.id, "running", "queued", "coordinator", message)
    reason = Reason(
        code="infra",
        message=f"the farm lost it {row.tries} times, last: {message}",
        advice="this is not the package's fault: look at the machine, then ask for it again",
    )
    failed = plain.tagged(Failed(step=Step.PREPARE, reason=reason))
    return move(tx, row.id, "running", "failed", "coordinator", message, outcome=failed)


def _insert(tx: Transaction, job: Job) -> int:
    row = {
        "key": job.key,
        "trust": TRUSTED,
        "kind": job.kind,
        "project": job.project,
        "version": job.version,
        "target": str(job.target),
        "lane": job.environment.lane,
        "environment": job.fingerprint,
        "spec": plain.tagged(job),
        "state": "pending",
        "wishes": [],
        "granted": [],
    }
    number: int = tx.connection.execute(_INSERT, row).scalar_one()
    if isinstance(job, BuildJob):
        for needs in job.needs.values():
            tx.connection.execute(_NEED, {"job": number, "needs": needs})
    tx.points.append("insert")
    return number


def _attach(tx: Transaction, request: int, number: int) -> bool:
    if tx.connection.execute(_ATTACHED, {"of": request, "number": number}).first():
        return False
    tx.connection.execute(_ATTACH, {"request": request, "job": number})
    return True


def _number(tx: Transaction, key: str) -> int:
    return int(tx.connection.execute(_KNOWN, {"of": key}).one().id)


def _row(row: Row[Any]) -> JobRow:
    job = plain.job(row.spec)
    return JobRow(
        job=job,
        state=row.state,
        attempts=row.tries,
        wishes=tuple(row.wishes),
        outcome=plain.outcome(row.outcome) if row.outcome else None,
        log=f"{row.key}.{row.token}" if row.token else "",
        seconds=(row.ended - row.started) if row.ended and row.started else 0.0,
        started=row.started or 0.0,
        worker=row.worker or "",
    )

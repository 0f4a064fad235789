"""The worker's view of the ledger, in SQL: leases with fencing tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.arrows import move
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.adapters.sql.jobs import LAST_ATTEMPT, lose, read_inputs
from buildfarm.model.canonical import to_plain
from buildfarm.model.facts import KnownWheel
from buildfarm.model.job import Lease, TestJob, Worker
from buildfarm.model.outcome import (
    Built,
    Cancelled,
    Failed,
    HandedBack,
    Lost,
    Outcome,
    Reason,
    Step,
    Tested,
    Wanting,
)
from buildfarm.model.records import Beat
from buildfarm.model.wheel import TestReport, Verdict

MOST_WISHES = 3


_URGENCY = (
    select(t.requests.c.urgency)
    .join(t.request_jobs, t.request_jobs.c.request == t.requests.c.id)
    .where(t.request_jobs.c.job == t.jobs.c.id)
    .order_by(t.requests.c.urgency)
    .limit(1)
    .scalar_subquery()
)
_NEXT = (
    select(t.jobs)
    .where(t.jobs.c.state == "queued", t.jobs.c.cancel.is_(False))
    .where(t.jobs.c.lane.in_(bindparam("lanes", expanding=True)))
    .where(t.jobs.c.environment.in_(bindparam("environments", expanding=True)))
    .order_by(_URGENCY, t.jobs.c.kind.desc(), t.jobs.c.id)  # tests first: they release what is built
    .limit(1)
    .with_for_update(skip_locked=True)
)
_NEXT_OF_REQUEST = _NEXT.join(t.request_jobs, t.request_jobs.c.job == t.jobs.c.id).where(
    t.request_jobs.c.request == bindparam("request")
)
_HELD = (
    select(t.jobs, t.attempts.c.id.label("attempt"))
    .join(t.attempts, LAST_ATTEMPT)
    .where(t.jobs.c.key == bindparam("held"), t.jobs.c.token == bindparam("by"), t.jobs.c.state == "running")
)
_HOLD = update(t.attempts).where(t.attempts.c.id == bindparam("attempt"))


class SqlClaims:
    """``ports.Claims``. ``term`` is the length of a lease in seconds."""

    def __init__(self, database: Database, term: float = 60.0) -> None:
        self._database = database
        self._term = term

    def claim(self, worker: Worker, request: int | None = None) -> Lease | None:
        """See ``ports.Claims``."""
        query = _NEXT if request is None else _NEXT_OF_REQUEST
        wanted = {"lanes": worker.lanes, "environments": worker.environments, "request": request}
        with self._database.writing() as tx:
            row = tx.connection.execute(query, wanted).one_or_none()
            return self._lease(tx, row, worker) if row else None

    def heartbeat(self, lease: Lease, step: str = "") -> Beat:
        """See ``ports.Claims``."""
        with self._database.writing() as tx:
            row = _held(tx, lease)
            if row is None:
                return Beat.FENCED
            tx.connection.execute(_HOLD, {"attempt": row.attempt, "lease_until": tx.now + self._term})
            if step:
                tx.connection.execute(insert(t.steps).values(attempt=row.attempt, step=step, started=tx.now))
            return Beat.CANCEL if row.cancel else Beat.GO_ON

    def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """See ``ports.Claims``."""
        with self._database.writing() as tx:
            row = _held(tx, lease)
            if row is None:
                return False
            if isinstance(outcome, Lost):
                return lose(tx, row, outcome.message)
            if row.cancel and isinstance(outcome, HandedBack | Wanting):
                outcome = Cancelled()  # it would wait for a worker for ever
            written = plain.tagged(outcome)
            tx.connection.execute(_HOLD, {"attempt": row.attempt, "ended": tx.now, "outcome": written})
            return _follow(tx, row, lease, outcome, written)

    def _lease(self, tx: Transaction, row: Row[Any], worker: Worker) -> Lease:
        token, tries = row.token + 1, row.tries + 1
        move(tx, row.id, "queued", "running", worker.name, token=token, tries=tries)
        tx.connection.execute(
            insert(t.attempts).values(
                job=row.id, token=token, worker=worker.name, lease_until=tx.now + self._term, started=tx.now
            )
        )
        return Lease(
            job=plain.job(row.spec),
            attempt=tries,
            token=token,
            worker=worker.name,
            inputs=read_inputs(tx, row.id),
            granted=tuple(row.granted),
        )


def _held(tx: Transaction, lease: Lease) -> Row[Any] | None:
    """The running job, if the lease still holds it."""
    return tx.connection.execute(_HELD, {"held": lease.job.key, "by": lease.token}).one_or_none()


def _follow(tx: Transaction, row: Row[Any], lease: Lease, outcome: Outcome, written: dict[str, Any]) -> bool:
    """What comes after an outcome, in the same transaction."""
    who = lease.worker
    match outcome:
        case Built():
            _keep_wheel(tx, lease, outcome)
            return move(tx, row.id, "running", "succeeded", who, outcome=written)
        case Tested():
            _keep_report(tx, lease, outcome.report)
            return move(tx, row.id, "running", "succeeded", who, outcome=written)
        case Failed():
            if isinstance(lease.job, TestJob):
                _keep_report(tx, lease, TestReport(verdict=Verdict.FAILED, reason=outcome.reason.message))
            return move(tx, row.id, "running", "failed", who, outcome.reason.message, outcome=written)
        case Wanting():
            wishes = [*row.wishes, *(each for each in outcome.requirements if each not in row.wishes)]
            asked = row.asked + 1
            if asked <= MOST_WISHES and wishes != row.wishes:
                note = ", ".join(outcome.requirements)
                return move(
                    tx, row.id, "running", "pending", who, note, wishes=wishes, asked=asked, tries=row.tries - 1
                )
            last = ", ".join(outcome.requirements)
            reason = Reason(
                code="insatiable",
                message=f"the build hook wanted more requirements {asked} times, last {last}",
                advice="name all that it wants under build.requires.add",
            )
            failed = plain.tagged(Failed(step=Step.BUILD, reason=reason))
            return move(tx, row.id, "running", "failed", who, reason.message, outcome=failed)
        case HandedBack():
            return move(tx, row.id, "running", "queued", who, "handed back", tries=row.tries - 1)
        case Cancelled():
            return move(tx, row.id, "running", "cancelled", who, outcome=written)
        case Lost():
            return lose(tx, row, outcome.message)


def _keep_wheel(tx: Transaction, lease: Lease, outcome: Built) -> None:
    wheel, project = outcome.wheel, lease.job.project
    known = to_plain(KnownWheel(artifact=wheel.artifact, content=wheel.content, extensions=wheel.extensions))
    _once(tx, t.artifacts, sha256=wheel.artifact.sha256, name=wheel.artifact.name, size=wheel.artifact.size)
    tx.connection.execute(t.learnt.delete().where(t.learnt.c.project == project))
    tx.connection.execute(insert(t.learnt).values(project=project, wheel=known))


def _keep_report(tx: Transaction, lease: Lease, report: TestReport) -> None:
    job = lease.job
    if not isinstance(job, TestJob):
        return
    tx.connection.execute(t.reports.delete().where(t.reports.c.test_key == job.key))
    tx.connection.execute(
        insert(t.reports).values(
            test_key=job.key,
            wheel=job.wheel.sha256,
            target=str(job.target),
            verdict=report.verdict,
            report=to_plain(report),
        )
    )


def _once(tx: Transaction, table: Any, **values: object) -> None:
    key = next(iter(table.primary_key))
    if tx.connection.execute(select(key).where(key == values[key.name])).scalar() is None:
        tx.connection.execute(insert(table).values(**values))

"""The arrows of a job's life: each a compare-and-set, with a row in ``transitions`` in the same transaction."""

from __future__ import annotations

from sqlalchemy import insert, update

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Transaction

ARROWS = frozenset(
    {
        ("pending", "queued"),
        ("pending", "failed"),
        ("pending", "cancelled"),
        ("queued", "running"),
        ("queued", "cancelled"),
        ("running", "queued"),
        ("running", "pending"),
        ("running", "succeeded"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("failed", "pending"),
        ("cancelled", "pending"),
    }
)


_TOLD = insert(t.transitions)


def move(
    transaction: Transaction, job: int, before: str, after: str, who: str, note: str = "", **values: object
) -> bool:
    """Take the job along an arrow, with other columns beside; False when it is not in ``before`` any more.

    Raises ``ValueError`` for an arrow that is not in the table.
    """
    if (before, after) not in ARROWS:
        raise ValueError(f"no arrow {before} -> {after}")
    moved = transaction.connection.execute(
        update(t.jobs).where(t.jobs.c.id == job, t.jobs.c.state == before).values(state=after, **values)
    )
    if moved.rowcount != 1:
        return False
    told = {"job": job, "before": before, "after": after, "who": who, "note": note, "at": transaction.now}
    transaction.connection.execute(_TOLD, told)
    transaction.points.append(f"{before}->{after}")
    return True

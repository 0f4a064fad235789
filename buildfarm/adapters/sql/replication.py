"""Events that come from another home, and which home writes, in SQL."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database, Transaction
from buildfarm.adapters.sql.events import EVENTS_SINCE, read_events
from buildfarm.adapters.sql.standing import standing
from buildfarm.model.errors import FarmError
from buildfarm.model.events import IndexEvent, subject
from buildfarm.model.standing import Standing


class SqlReplication:
    """``ports.Replication``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> Standing:
        """See ``ports.Replication``."""
        with self._database.reading() as tx:
            return standing(tx)

    def after(self, serial: int, most: int) -> tuple[IndexEvent, ...]:
        """See ``ports.Replication``."""
        with self._database.reading() as tx:
            return read_events(tx, EVENTS_SINCE.limit(most), serial=serial)

    def follow(self, primary: str, epoch: int) -> None:
        """See ``ports.Replication``."""
        with self._database.writing() as tx:
            known = standing(tx)
            if epoch < known.epoch:
                raise FarmError(
                    f"{primary} is of epoch {epoch}, this home of {known.epoch}: another home took over from it since, "
                    "so nothing that it says now counts; follow that one"
                )
            if (known.epoch, known.primary) != (epoch, primary):
                _write(tx, epoch, primary)
                tx.points.append("follow")

    def take(self, events: Iterable[IndexEvent]) -> None:
        """See ``ports.Replication``."""
        with self._database.writing() as tx:
            tx.in_turn("index_events")
            known = standing(tx)
            told = tuple(events)
            if not known.primary:
                raise FarmError("this home writes its events itself: `buildfarm replica --from URL` makes it a replica")
            if any(event.serial <= known.serial for event in told):
                raise FarmError(
                    f"events up to {known.serial} are here already; is another `buildfarm replica` running?"
                )
            for event in told:
                written = plain.tagged(event.payload)
                tx.connection.execute(
                    insert(t.index_events).values(
                        serial=event.serial,
                        index_name=event.index,
                        project=event.payload.project,
                        kind=written["is"],
                        file=subject(event.payload),
                        payload=written,
                        at=event.at,
                        who=event.who,
                    )
                )
            tx.points.append("take")

    def promote(self) -> Standing:
        """See ``ports.Replication``."""
        with self._database.writing() as tx:
            known = standing(tx)
            if known.primary:
                _write(tx, known.epoch + 1, "")
                tx.points.append("promote")
            return standing(tx)


def _write(tx: Transaction, epoch: int, primary: str) -> None:
    one = t.epochs.c.number == epoch
    values = {"primary": primary, "at": tx.now}
    if not tx.connection.execute(update(t.epochs).where(one).values(**values)).rowcount:
        tx.connection.execute(insert(t.epochs).values(number=epoch, **values))

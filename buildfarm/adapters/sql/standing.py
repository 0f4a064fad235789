"""Which home writes, as the ledger knows it, and the refusal of whatever would write elsewhere."""

from __future__ import annotations

from sqlalchemy import func, select

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Transaction
from buildfarm.model.errors import Refused
from buildfarm.model.standing import Standing

_SERIAL = select(func.max(t.index_events.c.serial))
_EPOCH = select(t.epochs).order_by(t.epochs.c.number.desc()).limit(1)


def standing(tx: Transaction) -> Standing:
    """Where this home stands."""
    serial = tx.connection.execute(_SERIAL).scalar() or 0
    row = tx.connection.execute(_EPOCH).one_or_none()
    return Standing(epoch=row.number, primary=row.primary, serial=serial) if row else Standing(serial=serial)


def refuse_on_replica(tx: Transaction) -> None:
    """Raise ``Refused`` (503) where another home writes."""
    if refusal := standing(tx).refusal:
        raise Refused(refusal, status=503)

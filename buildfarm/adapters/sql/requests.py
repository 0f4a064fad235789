"""Build requests in SQL."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Row, bindparam, insert, select, update

from buildfarm.adapters.sql import plain
from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildRequest
from buildfarm.model.outcome import Reason
from buildfarm.model.records import Resolution

URGENCIES = ("pull-request", "request", "nightly")


_OPEN = select(t.requests).where(t.requests.c.state == "open").order_by(t.requests.c.id)
_RESOLUTION = select(t.requests.c.resolution).where(t.requests.c.id == bindparam("request"))


class SqlRequests:
    """``ports.Requests``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, request: BuildRequest) -> BuildRequest:
        """See ``ports.Requests``."""
        with self._database.writing() as tx:
            found = tx.connection.execute(
                select(t.requests.c.id).where(t.requests.c.state == "open", t.requests.c.digest == request.digest)
            ).scalar()
            if found is not None:
                return replace(request, id=found)
            made = tx.connection.execute(
                insert(t.requests)
                .values(
                    owner=request.owner,
                    urgency=URGENCIES.index(request.urgency),
                    index_name=request.index,
                    digest=request.digest,
                    wish=to_plain(replace(request, id=0)),
                    state="open",
                    created=tx.now,
                )
                .returning(t.requests.c.id)
            ).scalar_one()
            tx.points.append("request")
        return replace(request, id=made)

    def open_requests(self) -> tuple[BuildRequest, ...]:
        """See ``ports.Requests``."""
        with self._database.reading() as tx:
            return tuple(_request(row) for row in tx.connection.execute(_OPEN))

    def resolve(self, request: int, resolution: Resolution) -> None:
        """See ``ports.Requests``."""
        written = {
            name: plain.tagged(versions)
            if isinstance(versions, Reason)
            else {version: plain.tagged(source) for version, source in versions.items()}
            for name, versions in resolution.items()
        }
        with self._database.writing() as tx:
            tx.connection.execute(
                update(t.requests)
                .where(t.requests.c.id == request, t.requests.c.resolution.is_(None))
                .values(resolution=written)
            )
            tx.points.append("resolve")

    def resolution(self, request: int) -> Resolution | None:
        """See ``ports.Requests``."""
        with self._database.reading() as tx:
            written = tx.connection.execute(_RESOLUTION, {"request": request}).scalar()
        if written is None:
            return None
        return {name: _versions(versions) for name, versions in written.items()}

    def close(self, request: int) -> None:
        """See ``ports.Requests``."""
        with self._database.writing() as tx:
            tx.connection.execute(
                update(t.requests)
                .where(t.requests.c.id == request, t.requests.c.state == "open")
                .values(state="closed")
            )
            tx.points.append("close")


def _request(row: Row[tuple[object, ...]]) -> BuildRequest:
    return replace(from_plain(BuildRequest, row.wish), id=row.id)


def _versions(written: dict[str, object]) -> dict[str, KnownSource | Reason] | Reason:
    if isinstance(written.get("is"), str):
        reason = plain.source(written)
        if isinstance(reason, Reason):
            return reason
    return {version: plain.source(source) for version, source in written.items()}  # type: ignore[arg-type]

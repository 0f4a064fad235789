"""Tokens in SQL."""

from __future__ import annotations

from sqlalchemy import Row, insert, select, update

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database
from buildfarm.model.token import Right, Token


class SqlTokens:
    """``ports.Tokens``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, token: Token, digest: str) -> Token:
        """See ``ports.Tokens``."""
        written = {
            "digest": digest,
            "index_name": token.index,
            "rights": str(token.right),
            "project": token.project,
            "note": token.note,
            "who": token.who,
        }
        with self._database.writing() as tx:
            expires = None if token.expires is None else tx.now + token.expires
            row = tx.connection.execute(
                insert(t.tokens).values(**written, created=tx.now, expires=expires).returning(t.tokens)
            ).one()
            tx.points.append("token")
            return _token(row)

    def find(self, digest: str) -> tuple[Token, float] | None:
        """See ``ports.Tokens``."""
        with self._database.reading() as tx:
            row = tx.connection.execute(select(t.tokens).where(t.tokens.c.digest == digest)).one_or_none()
            return (_token(row), tx.now) if row else None

    def all(self) -> tuple[tuple[Token, ...], float]:
        """See ``ports.Tokens``."""
        with self._database.reading() as tx:
            rows = tx.connection.execute(select(t.tokens).order_by(t.tokens.c.id)).all()
            return tuple(map(_token, rows)), tx.now

    def revoke(self, token: int) -> bool:
        """See ``ports.Tokens``."""
        with self._database.writing() as tx:
            live = (t.tokens.c.id == token, t.tokens.c.revoked.is_(None))
            done = tx.connection.execute(update(t.tokens).where(*live).values(revoked=tx.now))
            tx.points.append("revoke")
            return bool(done.rowcount)


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=row.id,
        index=row.index_name,
        right=Right(row.rights),
        project=row.project,
        note=row.note,
        who=row.who,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )

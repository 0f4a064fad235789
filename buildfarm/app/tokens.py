"""Tokens for people: new secrets, and what a token is worth now."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from buildfarm.app.server.access import PREFIX, digest_of
from buildfarm.model.token import Token
from buildfarm.ports import Tokens


def make_token(tokens: Tokens, wanted: Token) -> tuple[Token, str]:
    """A new token, as it is kept, and its secret, which is kept nowhere; ``expires`` is in seconds from now."""
    secret = f"{PREFIX}{secrets.token_urlsafe(32)}"
    return tokens.keep(wanted, digest_of(secret)), secret


def state(token: Token, now: float) -> str:
    """``live``, ``expired`` or ``revoked``."""
    if token.live(now):
        return "live"
    return "revoked" if token.revoked is not None else "expired"


def to_plain(token: Token, now: float) -> dict[str, Any]:
    """The token as JSON types; times are ISO 8601 in UTC, absent ones None."""
    return {
        "id": token.id,
        "index": token.index,
        "right": str(token.right),
        "project": token.project,
        "state": state(token, now),
        "note": token.note,
        "who": token.who,
        "created": shown(token.created),
        "expires": shown(token.expires),
        "revoked": shown(token.revoked),
    }


def shown(time: float | None) -> str | None:
    """A time in seconds since 1970 as ISO 8601 in UTC."""
    return None if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

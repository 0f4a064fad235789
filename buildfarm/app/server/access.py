"""Who may read or upload what: settings of indexes and tokens, as the ledger had them at most a second ago."""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from binascii import Error as NoBase64
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from buildfarm.model.errors import FarmError
from buildfarm.model.index import Index, awaited, closure
from buildfarm.model.token import Right, Token

FRESH = 1.0
"""Seconds for which an answer of the ledger is good: after them a revoked token is refused."""

_NEVER = float("-inf")
_MOST = 1024  # tokens that are remembered
_SOON = 0.05  # seconds after which the ledger is asked about an index that was not there

CHALLENGE = 'Basic realm="buildfarm", charset="UTF-8"'
"""What asks for a token (``WWW-Authenticate``, RFC 7617)."""

PREFIX = "bf-"
"""What every secret begins with, so that one is recognised where it should not be."""


def digest_of(secret: str) -> str:
    """Under what the ledger knows a secret. It has 256 random bits, so a plain hash cannot be turned around."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def secret_in(authorization: str) -> str:
    """The secret in an ``Authorization`` header (RFC 7617, 6750): the password, else the user; empty for none."""
    scheme, _, given = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = b64decode(given.strip()).decode().partition(":")
    except (NoBase64, UnicodeDecodeError, ValueError):
        return ""
    return password or user


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """The indexes that there are, and who shows files of whom."""

    known: Mapping[str, Index]
    _showing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def private(self, name: str) -> bool:
        """Whether reading it needs a token; where files wait, it is as for the index that they wait for.

        Nobody reads what is no index: the files of one that was deleted may lie there still.
        """
        found = self.known.get(awaited(name) or name)
        return found is None or found.private

    def has(self, name: str) -> bool:
        """Whether there is such an index, or one for which files wait there."""
        return (awaited(name) or name) in self.known

    def showing(self, owner: str) -> tuple[str, ...]:
        """The indexes on whose pages are files of that one, itself the first."""
        found = self._showing.get(owner)
        if found is None:
            others = (each for each in self.known if each != owner)
            inheriting = (each for each in others if any(it.name == owner for it in closure(each, self.known)))
            found = self._showing[owner] = (owner, *inheriting)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who asks: with which token, or why what they gave is none that counts (empty: they gave nothing). ``unsure``:
    nobody could be asked whether it does.
    """

    indexes: Indexes
    token: Token | None = None
    trouble: str = ""
    unsure: bool = False

    @property
    def who(self) -> str:
        """The token, as the ledger records who did something; empty without one."""
        return f"token {self.token.id}{self.token.note and f' ({self.token.note})'}" if self.token else ""

    def may_read(self, index: str) -> bool:
        """Whether they may see its pages."""
        return not self.indexes.private(index) or self._allows(Right.READ, index)

    def may_fetch(self, owner: str) -> bool:
        """Whether they may have its files: who sees them on the page of any index may."""
        return not self.indexes.private(owner) or any(map(self.may_read, self.indexes.showing(owner)))

    def may_upload(self, index: str, project: str = "") -> bool:
        """Whether they may put files (of that project) onto it."""
        return self._allows(Right.UPLOAD, index, project)

    def readable(self) -> tuple[str, ...]:
        """Names of the indexes that they may read, sorted."""
        return tuple(sorted(filter(self.may_read, self.indexes.known)))

    def refusal(self, index: str) -> tuple[int, str]:
        """Status and reason for not letting them read it: 401 asks for a token, 403 says that theirs is for another,
        503 that they may ask again.
        """
        if self.unsure:
            return 503, self.trouble
        if self.token is None:
            return 401, self.trouble or f"{index} is private: give a token for it as the password, user __token__"
        return 403, f"token {self.token.id} is for {self.token.index}, not for {index}"

    def _allows(self, right: Right, index: str, project: str = "") -> bool:
        return self.token is not None and self.token.allows(right, awaited(index) or index, project)


Found = tuple[Token, float] | None


class Access:
    """Asks ``indexes`` and ``find``, which ask the ledger (see ``ports``), at most once in ``FRESH`` seconds.

    While the ledger cannot be read, what it said last goes on: who may read then is whoever might before.
    """

    def __init__(self, indexes: Callable[[], Mapping[str, Index]], find: Callable[[str], Found]) -> None:
        self._ask_indexes = indexes
        self._ask_token = find
        self._lock = threading.Lock()
        self._anybody: tuple[float, Reader] = (_NEVER, Reader(indexes=Indexes(known={})))
        self._tokens: OrderedDict[str, tuple[float, Found]] = OrderedDict()

    def ready(self, authorization: str) -> Reader | None:
        """Who asks, if that is known without asking the ledger."""
        now = time.monotonic()
        at, anybody = self._anybody
        if now - at > FRESH:
            return None
        if not authorization or not (secret := secret_in(authorization)):
            return anybody
        at, found = self._tokens.get(digest_of(secret), (_NEVER, None))
        return _reader(anybody.indexes, found) if now - at <= FRESH else None

    def anew(self, authorization: str) -> Reader:
        """Who asks, for an index that is not known: it may be new."""
        return self.reader(authorization, _SOON)

    def reader(self, authorization: str, fresh: float = FRESH) -> Reader:
        """Who asks, with indexes that were there within ``fresh`` seconds. Asks the ledger; raises ``FarmError`` where
        that could not be read even once.
        """
        with self._lock:
            anybody = self._anybody_now(fresh)
            if not (secret := secret_in(authorization)):
                return anybody
            digest = digest_of(secret)
            try:
                return _reader(anybody.indexes, self._found_now(digest))
            except FarmError:
                trouble = "the token cannot be looked up just now: the ledger of this server is in trouble"
                return Reader(indexes=anybody.indexes, trouble=trouble, unsure=True)

    def _anybody_now(self, fresh: float) -> Reader:
        """Whoever gives no token."""
        at, anybody = self._anybody
        if (now := time.monotonic()) - at > fresh:
            try:
                anybody = Reader(indexes=Indexes(known=self._ask_indexes()))
            except FarmError:
                if at == _NEVER:
                    raise
            self._anybody = (now, anybody)
        return anybody

    def _found_now(self, digest: str) -> Found:
        """The token and the time of the ledger."""
        at, found = self._tokens.get(digest, (_NEVER, None))
        if (now := time.monotonic()) - at > FRESH:
            try:
                found = self._ask_token(digest)
            except FarmError:
                if at == _NEVER:
                    raise
                found = found and (found[0], found[1] + now - at)  # an expiry needs no ledger
            self._tokens[digest] = (now, found)
            self._tokens.move_to_end(digest)
            while len(self._tokens) > _MOST:
                self._tokens.popitem(last=False)
        return found


def _reader(indexes: Indexes, found: Found) -> Reader:
    """A token counts as of the time of the question, so an expiry too is seen within ``FRESH`` seconds."""
    if found is None:
        return Reader(indexes=indexes, trouble="the token is none of this server")
    token, now = found
    if token.live(now):
        return Reader(indexes=indexes, token=token)
    ended = "was revoked" if token.revoked is not None else "has expired"
    return Reader(indexes=indexes, trouble=f"token {token.id} {ended}: ask for another (buildfarm token create)")

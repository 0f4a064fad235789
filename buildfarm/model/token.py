"""Tokens: who may read an index, or put files onto it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.utils import canonicalize_name

EVERY = "*"
"""What stands in a token for every index: those of replicas, and of operators."""


class Right(StrEnum):
    """What a token is for. Whoever may upload may read."""

    READ = "read"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept, without its secret.

    ``project`` narrows it to one project (normalised, PEP 503), empty: to none. Times are seconds since 1970;
    ``expires`` and ``revoked`` are None where there is no such time. ``who`` made it, ``note`` is what for.
    """

    index: str
    right: Right
    id: int = 0
    project: str = ""
    note: str = ""
    who: str = ""
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None

    def live(self, now: float) -> bool:
        """Whether it counts at that time."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def allows(self, right: Right, index: str, project: str = "") -> bool:
        """Whether it gives the right on the index; ``project`` is the one that is to be uploaded."""
        if self.index not in (index, EVERY) or (right is Right.UPLOAD and self.right is not Right.UPLOAD):
            return False
        return right is Right.READ or not self.project or self.project == canonicalize_name(project)
